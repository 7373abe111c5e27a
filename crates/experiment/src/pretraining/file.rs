//! A pre-training of either modality as one TOML file.

use std::path::Path;

use treelora_core::{Error, read_text};

use super::{ImagePretraining, Pretraining, TextPretraining};
use crate::config::{
    config_file::ConfigFile, image_experiment_config::ImageExperimentConfig,
    text_pretraining_config::TextPretrainingConfig,
};

/// A pre-training on images or on text, as the file's `modality` says (images when it says
/// nothing).
#[derive(Clone, Debug, PartialEq)]
pub enum PretrainingFile {
    /// The `[pretraining]` of an experiment on images.
    Images(Box<ImageExperimentConfig>),
    /// A decoder and its tokenizer.
    Text(Box<TextPretrainingConfig>),
}

impl PretrainingFile {
    /// Read a file, lay `changes` (dotted key, TOML value) over it, and check it.
    ///
    /// # Errors
    /// When the file cannot be read, a key is unknown, or a setting is out of range; the message
    /// names the file and the key.
    pub fn load(path: &Path, changes: &[(String, String)]) -> Result<Self, Error> {
        let text = read_text(path)?;
        Self::parse(&text, path, changes)
    }

    /// As [`load`](Self::load), from text that came from `path`.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(text: &str, path: &Path, changes: &[(String, String)]) -> Result<Self, Error> {
        let file = ConfigFile::merged(text, path, None, changes)?;
        Ok(match file.modality() {
            Some("text") => {
                let config: TextPretrainingConfig = file.typed()?;
                file.checked(config.validate())?;
                Self::Text(Box::new(config))
            }
            _ => Self::Images(Box::new(ImageExperimentConfig::of_file(&file)?)),
        })
    }

    /// Name and seed.
    pub fn model_name(&self) -> String {
        let (name, seed) = match self {
            Self::Images(config) => (&config.name, config.training.seed),
            Self::Text(config) => (&config.name, config.training.seed),
        };
        format!("{name}-{seed}")
    }

    /// Read the data.
    ///
    /// # Errors
    /// From data or settings.
    pub fn prepare(self) -> Result<Box<dyn Pretraining>, Error> {
        Ok(match self {
            Self::Images(config) => Box::new(ImagePretraining::prepare(*config)?),
            Self::Text(config) => Box::new(TextPretraining::prepare(*config)?),
        })
    }
}
