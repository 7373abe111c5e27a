//! What sets the families of decoders apart beyond their sizes.

use serde::{Deserialize, Serialize};

/// A family of decoders: the `model_type` of `config.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// LLaMA 2 and 3, and what shares their architecture (SmolLM).
    Llama,
    /// Mistral: LLaMA with a sliding window in every layer.
    Mistral,
    /// Gemma: scaled embeddings, normalisation by `1 + weight`, GELU.
    Gemma,
    /// Qwen 2 and 2.5: query, key and value biases.
    Qwen2,
    /// Qwen 3: normalised queries and keys.
    Qwen3,
}

/// The non-linearity of an MLP's gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x sigmoid(x)`.
    Silu,
    /// The tanh approximation of GELU.
    GeluTanh,
}

impl Family {
    /// All of them, in the order of this type.
    pub const ALL: [Self; 5] = [
        Self::Llama,
        Self::Mistral,
        Self::Gemma,
        Self::Qwen2,
        Self::Qwen3,
    ];

    /// `model_type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Gemma => "gemma",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
        }
    }

    /// Which published models it is, in a line.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Llama => "LLaMA 2 and 3, SmolLM",
            Self::Mistral => "Mistral: a sliding window in every layer",
            Self::Gemma => "Gemma: scaled embeddings, GELU",
            Self::Qwen2 => "Qwen 2 and 2.5: query, key and value biases",
            Self::Qwen3 => "Qwen 3: normalised queries and keys",
        }
    }

    /// The class of transformers that computes the same.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::Mistral => "MistralForCausalLM",
            Self::Gemma => "GemmaForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
        }
    }

    /// The gate's non-linearity.
    pub fn activation(self) -> Activation {
        match self {
            Self::Gemma => Activation::GeluTanh,
            _ => Activation::Silu,
        }
    }

    /// Whether query, key and value projections have a bias.
    pub fn qkv_bias(self) -> bool {
        self == Self::Qwen2
    }

    /// Whether queries and keys are normalised in each head.
    pub fn normalises_queries_and_keys(self) -> bool {
        self == Self::Qwen3
    }

    /// Added to the weight of every normalisation.
    pub fn norm_offset(self) -> f64 {
        match self {
            Self::Gemma => 1.0,
            _ => 0.0,
        }
    }

    /// Factor of the embeddings of a model of this width.
    pub fn embedding_scale(self, hidden_size: usize) -> f64 {
        match self {
            Self::Gemma => (hidden_size as f64).sqrt(),
            _ => 1.0,
        }
    }

    /// Features of a head when `config.json` is silent; `None` for an equal share of the width.
    pub(super) fn default_head_dim(self) -> Option<usize> {
        match self {
            Self::Gemma => Some(256),
            Self::Qwen3 => Some(128),
            _ => None,
        }
    }

    /// Whether the head is tied when `config.json` is silent.
    pub(super) fn ties_by_default(self) -> bool {
        self == Self::Gemma
    }

    /// Names of the gate's non-linearity in `config.json`; the first is written. Gemma's first configurations say
    /// `gelu` and mean its approximation.
    pub(super) fn activation_names(self) -> &'static [&'static str] {
        match self.activation() {
            Activation::Silu => &["silu"],
            Activation::GeluTanh => &["gelu_pytorch_tanh", "gelu"],
        }
    }
}
