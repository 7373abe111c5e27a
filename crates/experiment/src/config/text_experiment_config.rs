//! A language experiment as one TOML file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use toml::Table;
use treelora_cl_bench::{
    scorers::Flavour,
    text::{Encoding, TextBatching, TextDatasetConfig},
};
use treelora_core::Error;
use treelora_models::{Precision, decoder::GenerationConfig};

use crate::{
    config::{config_file, method_seed, modality::Modality, training::TrainingConfig},
    methods::method_config::MethodConfig,
};

/// An experiment on text; every key is documented where its type is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextExperimentConfig {
    /// Always `text`.
    pub modality: Modality,
    /// Name of the experiment, the first part of a run's name.
    pub name: String,
    /// Name of the variant that `--method` picked, the second part.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// Which tasks, in which order, from where.
    pub data: TextDatasetConfig,
    /// From text to tokens.
    #[serde(default)]
    pub encoding: Encoding,
    /// Which examples share a batch.
    #[serde(default)]
    pub batching: TextBatching,
    /// The frozen decoder.
    pub model: DecoderFolder,
    /// Optimiser, schedule, seed.
    #[serde(default)]
    pub training: TrainingConfig,
    /// How answers are written and scored.
    #[serde(default)]
    pub generation: GenerationSettings,
    /// How the adapters learn.
    pub method: MethodConfig,
    /// Tables that `--method NAME` lays over the file: the contenders and ablations.
    #[serde(default, skip_serializing)]
    pub variants: Table,
}

/// Where the decoder and its tokenizer are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecoderFolder {
    /// A folder in Hugging Face layout: `config.json`, `model.safetensors` or an index of shards,
    /// `tokenizer.json`.
    #[serde(default)]
    pub weights: PathBuf,
    /// Number format of the frozen matrices, `f32` or `bf16`, which halves their memory; adapters, normalisations and
    /// activations are `f32` in either.
    #[serde(default)]
    pub precision: Precision,
}

/// How answers are written and scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GenerationSettings {
    /// Longest answer in tokens.
    pub max_new_tokens: usize,
    /// Longest answer of single tasks, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub max_new_tokens_of: BTreeMap<String, usize>,
    /// 0 is greedy; the released code samples at 0.1.
    pub temperature: f64,
    /// The rule of the main matrix: TRACE's own, or the one of TreeLoRA's released code. The
    /// other is reported beside it.
    pub scoring: Flavour,
}

impl Default for GenerationSettings {
    fn default() -> Self {
        Self {
            max_new_tokens: 512,
            max_new_tokens_of: BTreeMap::new(),
            temperature: 0.0,
            scoring: Flavour::Strict,
        }
    }
}

impl GenerationSettings {
    /// Settings of the generator on the task called `task`.
    pub fn of(&self, task: &str, seed: u64, stop_ids: Vec<u32>) -> GenerationConfig {
        let longest = self.max_new_tokens_of.get(task);
        GenerationConfig {
            max_new_tokens: longest.copied().unwrap_or(self.max_new_tokens),
            temperature: self.temperature,
            stop_ids,
            seed,
            ..GenerationConfig::default()
        }
    }
}

impl TextExperimentConfig {
    /// The experiment of a merged table that came from `path`.
    ///
    /// # Errors
    /// When a key is unknown or a setting is out of range; the message names the file and the key.
    pub(crate) fn from_table(table: Table, path: &Path) -> Result<Self, Error> {
        method_seed::refuse(&table, path)?;
        let mut config: Self = config_file::typed(table, path)?;
        // A decoder answers through its own frozen head.
        config.method = config.method.without_trained_head();
        config
            .validate()
            .map_err(|e| Error::format(path, e.to_string()))?;
        Ok(config)
    }

    /// Check everything that can be checked without data and weights.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key.
    pub fn validate(&self) -> Result<(), Error> {
        self.data.validate().map_err(|e| e.within("data"))?;
        self.batching.validate().map_err(|e| e.within("batching"))?;
        self.training.validate().map_err(|e| e.within("training"))?;
        self.method.validate().map_err(|e| e.within("method"))?;
        if self.model.weights.as_os_str().is_empty() {
            return Err(Error::setting(
                "model.weights",
                "no folder of a decoder (--weights DIR)",
            ));
        }
        let longest = self.generation.max_new_tokens_of.iter();
        for (key, value) in longest
            .map(|(task, value)| (task.as_str(), *value))
            .chain([("max_new_tokens", self.generation.max_new_tokens)])
        {
            if value == 0 {
                return Err(Error::setting(
                    format!("generation.{key}"),
                    "0 tokens hold no answer",
                ));
            }
        }
        Ok(())
    }

    /// Whether `other` asks for the same stream and the same decoder.
    pub(crate) fn has_inputs_of(&self, other: &Self) -> bool {
        let inputs = |config: &Self| {
            let Self {
                data,
                encoding,
                batching,
                model,
                ..
            } = config.clone();
            (data, encoding, batching, model, config.training.activations)
        };
        inputs(self) == inputs(other)
    }

    /// The configuration as TOML, every setting spelled out.
    ///
    /// # Errors
    /// When a value has no TOML form.
    pub fn to_toml(&self) -> Result<String, Error> {
        toml::to_string_pretty(self).map_err(|e| Error::Data(e.to_string()))
    }

    /// The variant, or the method's own name.
    pub fn method_label(&self) -> String {
        self.method.label(&self.variant)
    }

    /// Experiment and variant: runs of equal label differ in the seed alone.
    pub fn label(&self) -> String {
        format!("{}-{}", self.name, self.method_label())
    }

    /// Label and seed.
    pub fn run_name(&self) -> String {
        format!("{}-{}", self.label(), self.training.seed)
    }
}
