//! An experiment of either modality as one TOML file.

use std::path::Path;

use treelora_core::{Error, read_text};

use crate::config::{
    config_file, image_experiment_config::ImageExperimentConfig, method_seed,
    text_experiment_config::TextExperimentConfig, training::TrainingConfig,
};

/// An experiment on images or on text, as the file's `modality` says (images when it says nothing).
#[derive(Clone, Debug, PartialEq)]
pub enum ExperimentConfig {
    /// Pictures with labels.
    Images(Box<ImageExperimentConfig>),
    /// Prompts with answers.
    Text(Box<TextExperimentConfig>),
}

impl ExperimentConfig {
    /// Read a file, pick a variant, lay `changes` (dotted key, TOML value) over it, and check it. The file may be the
    /// `config.toml` of a run, of any format that is read.
    ///
    /// # Errors
    /// When the file cannot be read, a key is unknown, or a setting is out of range; the message
    /// names the file and the key.
    pub fn load(
        path: &Path,
        variant: Option<&str>,
        changes: &[(String, String)],
    ) -> Result<Self, Error> {
        let text = read_text(path)?;
        let text = method_seed::left_out(text, path)?;
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

    /// Experiment and method: runs of equal label differ in the seed alone.
    pub fn label(&self) -> String {
        match self {
            Self::Images(config) => config.label(),
            Self::Text(config) => config.label(),
        }
    }

    /// The variant, or the method's own name.
    pub fn method_label(&self) -> String {
        match self {
            Self::Images(config) => config.method_label(),
            Self::Text(config) => config.method_label(),
        }
    }

    /// Refuse to take the run with the configuration file `path` for one of these settings. Settings that have come into
    /// being since then have their defaults.
    ///
    /// # Errors
    /// Naming the first line that differs.
    pub fn check_same_as(&self, path: &Path) -> Result<(), Error> {
        let then = Self::load(path, None, &[])?.to_toml()?;
        let now = self.to_toml()?;
        let differs = |(then, now): &(&str, &str)| then != now;
        let problem = match then.lines().zip(now.lines()).find(differs) {
            Some((then, now)) => format!("`{then}` of the run, `{now}` asked for"),
            None if then == now => return Ok(()),
            None => "one has settings that the other lacks".to_owned(),
        };
        Err(Error::format(
            path,
            format!("{problem}; choose another --out"),
        ))
    }
}
