//! A language experiment as one TOML file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use toml::Table;
use treelora_cl_bench::{
    scorers::Flavour,
    text::{Encoding, TextDatasetConfig},
};
use treelora_class_incremental::DiscriminantConfig;
use treelora_core::Error;
use treelora_models::{Precision, decoder::GenerationConfig};

use crate::{
    config::{
        answering::{AnswerStop, Answering, LabelNormalization, check_labels},
        batching::BatchingConfig,
        config_file::ConfigFile,
        evaluation::{EvaluationRows, EvaluationSettings},
        experiment_settings::ExperimentSettings,
        inference::Inference,
        method_seed,
        modality::Modality,
        training::TrainingConfig,
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
    /// Which adapter answers, where the method keeps one a task.
    #[serde(default)]
    pub inference: Inference,
    /// A text file (UTF-8) that no task is about, on which the base's loss is taken before and after the stream
    /// (`base_loss_change`); a page of prose that comes with the program when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub general_text: Option<PathBuf>,
    /// Which tasks, in which order, from where.
    pub data: TextDatasetConfig,
    /// From text to tokens.
    #[serde(default)]
    pub encoding: Encoding,
    /// Which examples share a batch.
    #[serde(default)]
    pub batching: BatchingConfig,
    /// The frozen decoder.
    pub model: DecoderFolder,
    /// Optimiser, schedule, seed.
    #[serde(default)]
    pub training: TrainingConfig,
    /// What is scored after which task.
    #[serde(default)]
    pub evaluation: EvaluationSettings,
    /// How answers are written and scored.
    #[serde(default)]
    pub generation: GenerationSettings,
    /// How the adapters learn.
    pub method: MethodConfig,
    /// What infers the task of a prompt with `inference = "routed"`, from the frozen decoder's last hidden states of the
    /// prompt; linear discriminant analysis when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<DiscriminantConfig>,
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
    /// Whether answers are written, or chosen among the labels of a task: those of [`labels`](Self::labels), else
    /// those that its files list (`labels.json` of O-LoRA's tasks), else its different training answers, where its
    /// metric counts right answers and there are 2 to 20 of them with three records each on average. A task without
    /// labels is answered by generation.
    pub answer: Answering,
    /// Whether both ways are scored: the other one's scores are then among the other rules, under its name.
    pub side_by_side: bool,
    /// When a written answer ends; has no influence on scores.
    pub stop: AnswerStop,
    /// How the likelihoods of labels are compared.
    pub normalization: LabelNormalization,
    /// The labels of single tasks, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, Vec<String>>,
}

impl Default for GenerationSettings {
    fn default() -> Self {
        Self {
            max_new_tokens: 512,
            max_new_tokens_of: BTreeMap::new(),
            temperature: 0.0,
            scoring: Flavour::Strict,
            answer: Answering::default(),
            side_by_side: false,
            stop: AnswerStop::default(),
            normalization: LabelNormalization::default(),
            labels: BTreeMap::new(),
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
        self.validate_inference()?;
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
        let mut labels = self.generation.labels.iter();
        let labels = labels.try_for_each(|(task, labels)| check_labels(task, labels));
        labels.map_err(|e| e.within("generation"))
    }
}

impl TextExperimentConfig {
    /// # Errors
    /// [`Error::Setting`] when the method cannot answer so.
    fn validate_inference(&self) -> Result<(), Error> {
        self.inference
            .validate(self.method.row(), self.routing.as_ref())?;
        let infers = match self.inference {
            Inference::Latest => self.method.row().infers_tasks,
            Inference::Routed => true,
            Inference::Oracle => false,
        };
        let trained = self.method.lora().map_or(0, |lora| lora.trainable.len());
        if infers && trained > 0 {
            let problem =
                "weights that all tasks train move the base whose features tell the tasks apart";
            return Err(Error::setting("method.lora.trainable", problem));
        }
        Ok(())
    }

    /// What infers the task of a prompt, where prompts are routed.
    pub fn router(&self) -> Option<DiscriminantConfig> {
        self.inference.router(self.routing.as_ref())
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

    fn evaluation_rows(&self) -> EvaluationRows {
        self.evaluation.rows
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
        let data = data.chain(&mut self.general_text);
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

    /// With the kind of inference where it is not the method's own.
    fn method_label(&self) -> String {
        self.inference.labelled(&self.method.label(&self.variant))
    }
}
