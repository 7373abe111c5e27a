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
    config::{
        config_file::ConfigFile, experiment_settings::ExperimentSettings, method_seed,
        modality::Modality, training::TrainingConfig,
    },
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
    /// A folder in Hugging Face layout: `config.json`, `model.safetensors` or an index of shards, `tokenizer.json`; or one
    /// GGUF file, which holds all of it.
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
    /// The experiment of a merged file.
    ///
    /// # Errors
    /// When a key is unknown or a setting is out of range; the message names the file, the line and the key.
    pub(crate) fn of_file(file: &ConfigFile<'_>) -> Result<Self, Error> {
        file.checked(method_seed::refuse(file.table()))?;
        let mut config: Self = file.typed()?;
        // A decoder answers through its own frozen head.
        config.method = config.method.without_trained_head();
        file.checked(config.validate())?;
        Ok(config)
    }

    /// The configuration as TOML, every setting spelled out.
    ///
    /// # Errors
    /// When a value has no TOML form.
    pub fn to_toml(&self) -> Result<String, Error> {
        toml::to_string_pretty(self).map_err(|e| Error::Data(e.to_string()))
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
                "no folder or GGUF file of a decoder (--weights PATH)",
            ));
        }
        let of_tasks = self.generation.max_new_tokens_of.iter();
        let of_tasks =
            of_tasks.map(|(task, longest)| (format!("max_new_tokens_of.{task}"), *longest));
        let of_all = ("max_new_tokens".to_owned(), self.generation.max_new_tokens);
        for (key, longest) in of_tasks.chain([of_all]) {
            if longest == 0 {
                let error = Error::setting(key, "0 tokens hold no answer");
                return Err(error.within("generation"));
            }
        }
        Ok(())
    }
}

impl ExperimentSettings for TextExperimentConfig {
    fn name(&self) -> &str {
        &self.name
    }

    fn training(&self) -> &TrainingConfig {
        &self.training
    }

    fn training_mut(&mut self) -> &mut TrainingConfig {
        &mut self.training
    }

    fn weights(&self) -> Option<&Path> {
        Some(&self.model.weights)
    }

    fn data(&self) -> Option<&Path> {
        self.data.path.as_deref()
    }

    fn more_data(&self) -> Option<&Path> {
        self.data.classification_path.as_deref()
    }

    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        let data = self.data.path.iter_mut();
        let data = data.chain(&mut self.data.classification_path);
        data.chain([&mut self.model.weights]).collect()
    }

    fn has_inputs_of(&self, other: &Self) -> bool {
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

    fn method_label(&self) -> String {
        self.method.label(&self.variant)
    }
}
