//! An experiment of either modality as one TOML file.

use std::path::Path;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use treelora_core::Error;

use crate::{
    config_file,
    event::Event,
    experiment::{Experiment, Reconfigured},
    image_experiment::ImageExperiment,
    image_experiment_config::ImageExperimentConfig,
    method_config::MethodConfig,
    text_experiment::TextExperiment,
    text_experiment_config::TextExperimentConfig,
    training::TrainingConfig,
};

/// What the tasks are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Modality {
    /// Pictures with labels.
    #[default]
    Images,
    /// Prompts with answers.
    Text,
}

/// An experiment on images or on text, as the file's `modality` says (images when it says nothing).
#[derive(Clone, Debug, PartialEq)]
pub enum ExperimentConfig {
    /// Pictures with labels.
    Images(Box<ImageExperimentConfig>),
    /// Prompts with answers.
    Text(Box<TextExperimentConfig>),
}

impl ExperimentConfig {
    /// Read a file, pick a variant, lay `changes` (dotted key, TOML value) over it, and check it.
    ///
    /// # Errors
    /// When the file cannot be read, a key is unknown, or a setting is out of range; the message
    /// names the file and the key.
    pub fn load(
        path: &Path,
        variant: Option<&str>,
        changes: &[(String, String)],
    ) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        Self::parse(&text, path, variant, changes)
    }

    /// As [`load`](Self::load), from text that came from `path`.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(
        text: &str,
        path: &Path,
        variant: Option<&str>,
        changes: &[(String, String)],
    ) -> Result<Self, Error> {
        let table = config_file::merged(text, path, variant, changes)?;
        Ok(match table.get("modality").and_then(toml::Value::as_str) {
            Some("text") => Self::Text(Box::new(TextExperimentConfig::from_table(table, path)?)),
            // A modality of another name is an unknown variant of the key.
            _ => Self::Images(Box::new(ImageExperimentConfig::from_table(table, path)?)),
        })
    }

    /// Optimiser, schedule, batch sizes and seed.
    pub fn training_mut(&mut self) -> &mut TrainingConfig {
        match self {
            Self::Images(config) => &mut config.training,
            Self::Text(config) => &mut config.training,
        }
    }

    /// Check everything that can be checked without data and weights.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key.
    pub fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Images(config) => config.validate(),
            Self::Text(config) => config.validate(),
        }
    }

    /// The configuration as TOML, every setting spelled out.
    ///
    /// # Errors
    /// When a value has no TOML form.
    pub fn to_toml(&self) -> Result<String, Error> {
        match self {
            Self::Images(config) => config.to_toml(),
            Self::Text(config) => config.to_toml(),
        }
    }

    /// Experiment, method or variant, and seed.
    pub fn run_name(&self) -> String {
        match self {
            Self::Images(config) => config.run_name(),
            Self::Text(config) => config.run_name(),
        }
    }

    /// The variant, or the method's own name.
    pub fn method_label(&self) -> String {
        match self {
            Self::Images(config) => config.method_label(),
            Self::Text(config) => config.method_label(),
        }
    }

    /// Open the data and load (or pre-train) the model.
    ///
    /// # Errors
    /// From data, weights or settings.
    pub fn prepare(
        self,
        device: &Device,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Box<dyn Experiment>, Error> {
        Ok(match self {
            Self::Images(config) => Box::new(ImageExperiment::prepare(*config, device, on_event)?),
            Self::Text(config) => Box::new(TextExperiment::prepare(*config, device)?),
        })
    }

    /// As [`prepare`](Self::prepare), with the model and the data of `earlier` where they are the
    /// same: several methods and seeds then share the work on the frozen backbone.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn prepare_after(
        self,
        earlier: Option<Box<dyn Experiment>>,
        device: &Device,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Box<dyn Experiment>, Error> {
        let config = match earlier {
            None => self,
            Some(earlier) => match earlier.reconfigured(self)? {
                Reconfigured::Ready(experiment) => return Ok(experiment),
                Reconfigured::NeedsOtherInputs(config) => config,
            },
        };
        config.prepare(device, on_event)
    }
}

/// The variant, or the method's own name.
pub(crate) fn label(variant: &str, method: &MethodConfig) -> String {
    match variant.is_empty() {
        true => method.name().to_owned(),
        false => variant.to_owned(),
    }
}
