//! What sets the families of decoders apart beyond their sizes: a row each.

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
    /// Gemma 2: Gemma with a window in every other layer, soft caps, and normalisations behind each part of a layer.
    Gemma2,
    /// Gemma 3, for text: Gemma 2 without caps, with normalised queries and keys and two rotary bases.
    #[serde(rename = "gemma3_text")]
    Gemma3,
    /// Qwen 2 and 2.5: query, key and value biases.
    Qwen2,
    /// Qwen 3: normalised queries and keys.
    Qwen3,
    /// Phi 3: Mistral with one layer for queries, keys and values, and one for gate and up.
    Phi3,
    /// SmolLM 3: LLaMA whose every fourth layer knows no positions.
    SmolLM3,
}

/// The non-linearity of an MLP's gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x sigmoid(x)`.
    Silu,
    /// The tanh approximation of GELU.
    GeluTanh,
}

/// How `config.json` tells which layers have a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decoder) enum WindowRule {
    /// No layer has one.
    Never,
    /// Every layer, of `sliding_window` positions; of these when the field is absent, and none when it is `null`.
    Everywhere(Option<usize>),
    /// As `use_sliding_window` says: the layers of `layer_types`, else those from `max_window_layers` on.
    FromLayer(usize),
    /// As `use_sliding_window` says: the layers of `layer_types`, else those without rotary positions.
    WhereNotTurned,
    /// The layers of `layer_types`, else all but every so many-th; `sliding_window` is 4096 when absent.
    AllButEvery(usize),
}

impl WindowRule {
    /// Whether `use_sliding_window` turns windows on.
    pub(in crate::decoder) fn is_switched(self) -> bool {
        matches!(self, Self::FromLayer(_) | Self::WhereNotTurned)
    }
}

/// What a family is, and what its `config.json` means where it is silent.
pub(in crate::decoder) struct Row {
    /// `model_type`.
    name: &'static str,
    meaning: &'static str,
    /// The class of transformers that computes the same.
    pub(in crate::decoder) class: &'static str,
    activation: Activation,
    /// Names of the activation in `config.json`; the first is written.
    pub(in crate::decoder) activation_names: &'static [&'static str],
    qkv_bias: bool,
    normalises_queries_and_keys: bool,
    norm_offset: f64,
    scales_embedding: bool,
    normalises_outputs: bool,
    fuses_projections: bool,
    pub(in crate::decoder) windows: WindowRule,
    /// Features of a head; `None` for an equal share of the width.
    pub(in crate::decoder) head_dim: Option<usize>,
    pub(in crate::decoder) ties_head: bool,
    pub(in crate::decoder) rms_norm_eps: f64,
    pub(in crate::decoder) rope_theta: f64,
    /// Rotary base of the layers with a window, where they have one of their own.
    pub(in crate::decoder) local_rope_theta: Option<f64>,
    /// A layer without rotary positions every so many.
    pub(in crate::decoder) unturned_every: Option<usize>,
    /// `query_pre_attn_scalar`; `None` for the features of a head, and no such field.
    pub(in crate::decoder) query_scalar: Option<f64>,
    /// Whether there are soft caps at all, and those of attention and head.
    pub(in crate::decoder) soft_caps: Option<[Option<f64>; 2]>,
}

const LLAMA: Row = Row {
    name: "llama",
    meaning: "LLaMA 2 and 3, SmolLM",
    class: "LlamaForCausalLM",
    activation: Activation::Silu,
    activation_names: &["silu"],
    qkv_bias: false,
    normalises_queries_and_keys: false,
    norm_offset: 0.0,
    scales_embedding: false,
    normalises_outputs: false,
    fuses_projections: false,
    windows: WindowRule::Never,
    head_dim: None,
    ties_head: false,
    rms_norm_eps: 1e-6,
    rope_theta: 1e4,
    local_rope_theta: None,
    unturned_every: None,
    query_scalar: None,
    soft_caps: None,
};

const MISTRAL: Row = Row {
    name: "mistral",
    meaning: "Mistral: a sliding window in every layer",
    class: "MistralForCausalLM",
    windows: WindowRule::Everywhere(Some(4096)),
    ..LLAMA
};

const GEMMA: Row = Row {
    name: "gemma",
    meaning: "Gemma: scaled embeddings, GELU",
    class: "GemmaForCausalLM",
    activation: Activation::GeluTanh,
    // Its first configurations say `gelu` and mean the approximation.
    activation_names: &["gelu_pytorch_tanh", "gelu"],
    norm_offset: 1.0,
    scales_embedding: true,
    head_dim: Some(256),
    ties_head: true,
    ..LLAMA
};

const GEMMA2: Row = Row {
    name: "gemma2",
    meaning: "Gemma 2: windows in every other layer, soft caps, normalised outputs",
    class: "Gemma2ForCausalLM",
    activation_names: &["gelu_pytorch_tanh"],
    normalises_outputs: true,
    windows: WindowRule::AllButEvery(2),
    query_scalar: Some(256.0),
    soft_caps: Some([Some(50.0), Some(30.0)]),
    ..GEMMA
};

const GEMMA3: Row = Row {
    name: "gemma3_text",
    meaning: "Gemma 3 for text: windows in five of six layers, two rotary bases",
    class: "Gemma3ForCausalLM",
    normalises_queries_and_keys: true,
    windows: WindowRule::AllButEvery(6),
    rope_theta: 1e6,
    local_rope_theta: Some(1e4),
    soft_caps: Some([None; 2]),
    ..GEMMA2
};

const QWEN2: Row = Row {
    name: "qwen2",
    meaning: "Qwen 2 and 2.5: query, key and value biases",
    class: "Qwen2ForCausalLM",
    qkv_bias: true,
    windows: WindowRule::FromLayer(28),
    ..LLAMA
};

const QWEN3: Row = Row {
    name: "qwen3",
    meaning: "Qwen 3: normalised queries and keys",
    class: "Qwen3ForCausalLM",
    normalises_queries_and_keys: true,
    windows: WindowRule::FromLayer(28),
    head_dim: Some(128),
    ..LLAMA
};

const PHI3: Row = Row {
    name: "phi3",
    meaning: "Phi 3: queries, keys and values in one layer, gate and up in one",
    class: "Phi3ForCausalLM",
    fuses_projections: true,
    windows: WindowRule::Everywhere(None),
    rms_norm_eps: 1e-5,
    ..LLAMA
};

const SMOLLM3: Row = Row {
    name: "smollm3",
    meaning: "SmolLM 3: every fourth layer without positions",
    class: "SmolLM3ForCausalLM",
    windows: WindowRule::WhereNotTurned,
    ties_head: true,
    rope_theta: 2e6,
    unturned_every: Some(4),
    ..LLAMA
};

impl Family {
    /// All of them, in the order of this type.
    pub const ALL: [Self; 9] = [
        Self::Llama,
        Self::Mistral,
        Self::Gemma,
        Self::Gemma2,
        Self::Gemma3,
        Self::Qwen2,
        Self::Qwen3,
        Self::Phi3,
        Self::SmolLM3,
    ];

    pub(in crate::decoder) fn row(self) -> &'static Row {
        match self {
            Self::Llama => &LLAMA,
            Self::Mistral => &MISTRAL,
            Self::Gemma => &GEMMA,
            Self::Gemma2 => &GEMMA2,
            Self::Gemma3 => &GEMMA3,
            Self::Qwen2 => &QWEN2,
            Self::Qwen3 => &QWEN3,
            Self::Phi3 => &PHI3,
            Self::SmolLM3 => &SMOLLM3,
        }
    }

    /// `model_type`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Which published models it is, in a line.
    pub fn meaning(self) -> &'static str {
        self.row().meaning
    }

    /// The gate's non-linearity.
    pub fn activation(self) -> Activation {
        self.row().activation
    }

    /// Whether query, key and value projections have a bias.
    pub fn qkv_bias(self) -> bool {
        self.row().qkv_bias
    }

    /// Whether queries and keys are normalised in each head.
    pub fn normalises_queries_and_keys(self) -> bool {
        self.row().normalises_queries_and_keys
    }

    /// Added to the weight of every normalisation.
    pub fn norm_offset(self) -> f64 {
        self.row().norm_offset
    }

    /// Whether what attention and MLP give is normalised before it is added.
    pub fn normalises_outputs(self) -> bool {
        self.row().normalises_outputs
    }

    /// Whether queries, keys and values come from one layer, and so do gate and up.
    pub fn fuses_projections(self) -> bool {
        self.row().fuses_projections
    }

    /// Factor of the embeddings of a model of this width.
    pub fn embedding_scale(self, hidden_size: usize) -> f64 {
        match self.row().scales_embedding {
            true => (hidden_size as f64).sqrt(),
            false => 1.0,
        }
    }
}
