//! The shape of a decoder, as Hugging Face's `config.json` tells it.

mod family;

mod rope;

mod rope_scaling;

mod sliding_window;

mod json_fields;

mod rope_fields;

mod layer_fields;

mod hugging_face;

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use treelora_core::{Error, read_json, write_json};

pub(super) use family::WindowRule;
pub use family::{Activation, Family};
pub use rope::{Rope, Turn};
pub use rope_scaling::RopeScaling;
pub use sliding_window::{SlidingWindow, WindowLayers};

/// Name of the file in a model's folder.
const FILE: &str = "config.json";

/// Everything that fixes the shape of a [`Decoder`](super::Decoder), under the names of Hugging Face.
///
/// It is read from either spelling of `config.json`: that of transformers 4 (`rope_theta`, `rope_scaling`,
/// `torch_dtype`) and that of transformers 5 (`rope_parameters`, `dtype`); it is written in the older one, which both
/// read. Fields that a family does not know have no effect on it; a field that would change results and is not
/// supported is an error that names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct DecoderConfig {
    /// What sets the families apart beyond sizes.
    pub family: Family,
    /// Number of tokens.
    pub vocab_size: usize,
    /// Features of a position between layers.
    pub hidden_size: usize,
    /// Hidden features of a layer's MLP.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Heads of the queries; a multiple of `num_key_value_heads`.
    pub num_attention_heads: usize,
    /// Heads of the keys and values, each shared by a group of query heads.
    pub num_key_value_heads: usize,
    /// Features of a head; even.
    pub head_dim: usize,
    /// Positions that the model was trained for: the context.
    pub max_position_embeddings: usize,
    /// Added to the mean square in every normalisation.
    pub rms_norm_eps: f64,
    /// Base of the rotary wavelengths.
    pub rope_theta: f64,
    /// How the wavelengths are stretched for a longer context.
    pub rope_scaling: RopeScaling,
    /// Rotary positions of the layers with a sliding window, where they have their own.
    pub local_rope: Option<Rope>,
    /// For each layer whether it has rotary positions; `None` when all have.
    pub turned_layers: Option<Vec<bool>>,
    /// Whether the head is the embedding, transposed.
    pub tie_word_embeddings: bool,
    /// Layers that see only the last positions.
    pub sliding_window: Option<SlidingWindow>,
    /// What scores of attention are divided by the root of, in place of `head_dim`.
    pub query_pre_attn_scalar: Option<f64>,
    /// Scores of attention stay within this: `cap tanh(score / cap)`.
    pub attn_logit_softcapping: Option<f64>,
    /// Scores of tokens stay within this.
    pub final_logit_softcapping: Option<f64>,
    /// Token before every text.
    pub bos_token_id: Option<u32>,
    /// Tokens that end a text.
    pub eos_token_ids: Vec<u32>,
    /// Token that fills up shorter rows; only recorded, for padding is masked here.
    pub pad_token_id: Option<u32>,
}

impl DecoderConfig {
    /// A LLaMA of the given size with the proportions of LLaMA 2 and a tied head; override fields for another:
    /// `DecoderConfig { num_key_value_heads: 2, ..DecoderConfig::llama(512, 64, 4, 8) }`.
    pub fn llama(
        vocab_size: usize,
        hidden_size: usize,
        num_hidden_layers: usize,
        num_attention_heads: usize,
    ) -> Self {
        Self {
            family: Family::Llama,
            vocab_size,
            hidden_size,
            intermediate_size: (hidden_size * 8).div_ceil(3),
            num_hidden_layers,
            num_attention_heads,
            num_key_value_heads: num_attention_heads,
            head_dim: hidden_size / num_attention_heads.max(1),
            max_position_embeddings: 2048,
            rms_norm_eps: 1e-5,
            rope_theta: 10_000.0,
            rope_scaling: RopeScaling::None,
            local_rope: None,
            turned_layers: None,
            tie_word_embeddings: true,
            sliding_window: None,
            query_pre_attn_scalar: None,
            attn_logit_softcapping: None,
            final_logit_softcapping: None,
            bos_token_id: None,
            eos_token_ids: Vec::new(),
            pad_token_id: None,
        }
    }

    /// Bytes that a training step keeps of each token until its backward, about, with adapters on every projection: what
    /// enters normalisations and adapted projections, queries, keys, values, what they gather, and both halves of the
    /// MLP, in `f32`. Scores and passing buffers come on top.
    pub fn activation_bytes(&self) -> usize {
        let queries = self.num_attention_heads * self.head_dim;
        let keys = self.num_key_value_heads * self.head_dim;
        let of_layer = 4 * self.hidden_size + 2 * queries + 2 * keys + 2 * self.intermediate_size;
        self.num_hidden_layers * of_layer * size_of::<f32>()
    }

    /// Read `config.json` of a model's folder.
    ///
    /// # Errors
    /// When the file is missing or damaged, or a field is missing, out of range or not supported; the message names
    /// the file and the field.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let fields: Map<String, Value> = read_json(&path)?;
        Self::from_fields(&fields).map_err(|error| match error {
            Error::Setting { key, problem } => Error::format(&path, format!("`{key}` {problem}")),
            other => other,
        })
    }

    /// Write `config.json` into a folder, atomically.
    ///
    /// # Errors
    /// When writing fails.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        write_json(&folder.join(FILE), self)
    }

    /// Positions that a layer's queries see, their own included; `None` for all before.
    pub fn window(&self, layer: usize) -> Option<usize> {
        self.sliding_window
            .as_ref()
            .filter(|window| window.layers.contain(layer))
            .map(|window| window.size)
    }

    /// Which rotary positions a layer's queries and keys have.
    pub fn turn(&self, layer: usize) -> Turn {
        if self
            .turned_layers
            .as_ref()
            .is_some_and(|flags| !flags[layer])
        {
            return Turn::Not;
        }
        match (&self.local_rope, self.window(layer)) {
            (Some(_), Some(_)) => Turn::Local,
            _ => Turn::Global,
        }
    }

    /// Rotary positions of the layers that see all positions before.
    pub fn rope(&self) -> Rope {
        Rope {
            theta: self.rope_theta,
            scaling: self.rope_scaling,
        }
    }

    /// Check that the shape is one a model can have.
    ///
    /// # Errors
    /// [`Error::Setting`] that names the first field out of range.
    pub fn validate(&self) -> Result<(), Error> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
            ("head_dim", self.head_dim),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        if let Some((key, _)) = sizes.into_iter().find(|(_, size)| *size == 0) {
            return Err(Error::setting(key, "is 0, must be at least 1"));
        }
        let (heads, groups) = (self.num_attention_heads, self.num_key_value_heads);
        if !heads.is_multiple_of(groups) {
            let problem =
                format!("is {heads}, must be a multiple of num_key_value_heads = {groups}");
            return Err(Error::setting("num_attention_heads", problem));
        }
        if !self.head_dim.is_multiple_of(2) {
            let problem = format!("is {}, must be even: positions turn pairs", self.head_dim);
            return Err(Error::setting("head_dim", problem));
        }
        let local = self.local_rope.as_ref();
        let positive = [
            ("rms_norm_eps", Some(self.rms_norm_eps)),
            ("rope_theta", Some(self.rope_theta)),
            ("rope_local_base_freq", local.map(|rope| rope.theta)),
            ("query_pre_attn_scalar", self.query_pre_attn_scalar),
            ("attn_logit_softcapping", self.attn_logit_softcapping),
            ("final_logit_softcapping", self.final_logit_softcapping),
        ];
        for (key, value) in positive {
            if let Some(value) = value
                && !(value.is_finite() && value > 0.0)
            {
                return Err(Error::setting(key, format!("is {value}, must be positive")));
            }
        }
        self.rope_scaling.validate()?;
        if let Some(rope) = local {
            rope.scaling.validate()?;
        }
        if let Some(flags) = &self.turned_layers
            && flags.len() != self.num_hidden_layers
        {
            let (found, layers) = (flags.len(), self.num_hidden_layers);
            let problem = format!("has {found} entries, must have num_hidden_layers = {layers}");
            return Err(Error::setting("no_rope_layers", problem));
        }
        if let Some(window) = &self.sliding_window {
            window.validate(self.num_hidden_layers)?;
        }
        let vocabulary = self.vocab_size;
        let ends = self.eos_token_ids.iter().map(|id| ("eos_token_id", *id));
        let begin = self.bos_token_id.map(|id| ("bos_token_id", id));
        match ends.chain(begin).find(|(_, id)| *id as usize >= vocabulary) {
            Some((key, id)) => {
                let problem = format!("is {id}, must be below vocab_size = {vocabulary}");
                Err(Error::setting(key, problem))
            }
            None => Ok(()),
        }
    }
}
