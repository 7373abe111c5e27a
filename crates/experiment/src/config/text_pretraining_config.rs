//! Pre-training of a decoder as one TOML file.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use treelora_cl_bench::text::{BytePairTraining, CorpusConfig, SpecialTokens};
use treelora_core::Error;
use treelora_models::decoder::DecoderConfig;

use crate::config::{
    modality::Modality,
    training::{Optimizer, Schedule, TrainingConfig},
};

/// A decoder from scratch; every key is documented where its type is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextPretrainingConfig {
    /// Always `text`.
    pub modality: Modality,
    /// Name of the model.
    pub name: String,
    /// Which texts.
    pub data: CorpusConfig,
    /// From text to tokens.
    pub tokenizer: Vocabulary,
    /// Sizes of the decoder.
    pub model: DecoderShape,
    /// Steps, optimiser, seed.
    #[serde(default)]
    pub training: LanguageTraining,
}

/// Where the vocabulary comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Vocabulary {
    /// Trained on the same texts.
    BytePairs(BytePairTraining),
    /// Taken from a folder with a `tokenizer.json`.
    Folder {
        /// The folder.
        path: PathBuf,
    },
}

/// A LLaMA's sizes, under the names of Hugging Face; the vocabulary adds the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecoderShape {
    /// Features of a position between layers; a multiple of `num_attention_heads`.
    pub hidden_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Heads of the queries.
    pub num_attention_heads: usize,
    /// Heads of the keys and values; as many as of the queries when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_key_value_heads: Option<usize>,
    /// Hidden features of a layer's MLP; 8/3 of `hidden_size` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intermediate_size: Option<usize>,
    /// Tokens that the model sees at once: the length of a training sequence.
    pub max_position_embeddings: usize,
    /// Base of the rotary wavelengths.
    #[serde(default = "default_rope_theta")]
    pub rope_theta: f64,
    /// Whether the head is the embedding, transposed.
    #[serde(default = "tied")]
    pub tie_word_embeddings: bool,
}

fn default_rope_theta() -> f64 {
    10_000.0
}
fn tied() -> bool {
    true
}

/// The `[training]` table: AdamW (0.9, 0.999, epsilon 1e-8) under a warm-up and half a cosine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LanguageTraining {
    /// Passes over the texts.
    pub epochs: usize,
    /// Steps, in place of whole passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Sequences a step, each of the model's context.
    pub batch_size: usize,
    /// Largest learning rate.
    pub learning_rate: f64,
    /// Share of the steps over which the rate first rises linearly from 0, in `[0, 1)`.
    pub warm_up: f64,
    /// Decoupled weight decay of all parameters.
    pub weight_decay: f64,
    /// Largest norm of a parameter's gradient; no clipping when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_clip: Option<f32>,
    /// Share of the sequences that is not learned but validates, in `[0, 1)`.
    pub held_out: f64,
    /// Seed of weights and order.
    pub seed: u64,
}

impl Default for LanguageTraining {
    fn default() -> Self {
        Self {
            epochs: 1,
            steps: None,
            batch_size: 8,
            learning_rate: 1e-3,
            warm_up: 0.05,
            weight_decay: 0.1,
            gradient_clip: None,
            held_out: 0.02,
            seed: 0,
        }
    }
}

impl TextPretrainingConfig {
    /// Check everything that can be checked without the data.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key.
    pub fn validate(&self) -> Result<(), Error> {
        self.data.validate().map_err(|e| e.within("data"))?;
        if let Vocabulary::BytePairs(training) = &self.tokenizer {
            training.validate().map_err(|e| e.within("tokenizer"))?;
        }
        self.model.validate().map_err(|e| e.within("model"))?;
        self.training.validate().map_err(|e| e.within("training"))
    }
}

impl DecoderShape {
    /// Check the sizes against each other.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key.
    pub fn validate(&self) -> Result<(), Error> {
        let (width, heads) = (self.hidden_size, self.num_attention_heads);
        // No heads at all are an error of the decoder's own.
        if heads > 0 && width % heads != 0 {
            let problem =
                format!("is {width}, must be a multiple of num_attention_heads = {heads}");
            return Err(Error::setting("hidden_size", problem));
        }
        self.architecture(1, &SpecialTokens::default()).validate()?;
        if self.max_position_embeddings < 2 {
            let problem = "is 1, which has no room for a token and the next";
            return Err(Error::setting("max_position_embeddings", problem));
        }
        Ok(())
    }

    /// The decoder over `vocabulary` tokens, of which `special` are not text.
    pub fn architecture(&self, vocabulary: usize, special: &SpecialTokens) -> DecoderConfig {
        let (width, heads) = (self.hidden_size, self.num_attention_heads);
        let sizes = DecoderConfig::llama(vocabulary, width, self.num_hidden_layers, heads);
        DecoderConfig {
            num_key_value_heads: self.num_key_value_heads.unwrap_or(heads),
            intermediate_size: self.intermediate_size.unwrap_or(sizes.intermediate_size),
            max_position_embeddings: self.max_position_embeddings,
            rope_theta: self.rope_theta,
            tie_word_embeddings: self.tie_word_embeddings,
            bos_token_id: special.bos,
            eos_token_ids: special.eos.into_iter().collect(),
            pad_token_id: special.pad,
            ..sizes
        }
    }
}

impl LanguageTraining {
    /// Check the settings.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key.
    pub fn validate(&self) -> Result<(), Error> {
        self.rates().validate()?;
        let positive = |key: &str, value: f64| match value > 0.0 && value.is_finite() {
            true => Ok(()),
            false => Err(Error::setting(key, format!("{value} is not above 0"))),
        };
        positive("steps", self.steps.unwrap_or(1) as f64)?;
        positive(
            "gradient_clip",
            f64::from(self.gradient_clip.unwrap_or(1.0)),
        )?;
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            let problem = format!("{} is not 0 or above", self.weight_decay);
            return Err(Error::setting("weight_decay", problem));
        }
        match (0.0..1.0).contains(&self.held_out) {
            true => Ok(()),
            false => Err(Error::setting(
                "held_out",
                format!("{} is not in [0, 1)", self.held_out),
            )),
        }
    }

    /// The part that it has in common with the training of methods.
    pub(crate) fn rates(&self) -> TrainingConfig {
        TrainingConfig {
            epochs: self.epochs,
            batch_size: self.batch_size,
            optimizer: Optimizer::AdamW {
                weight_decay: self.weight_decay,
            },
            learning_rate: self.learning_rate,
            schedule: Schedule::Cosine,
            warm_up: self.warm_up,
            gradient_clip: self.gradient_clip,
            seed: self.seed,
            ..TrainingConfig::default()
        }
    }
}
