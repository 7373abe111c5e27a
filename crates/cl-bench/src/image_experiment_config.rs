//! One experiment as a file: data, stream, images, model, training, method.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Table;
use treelora_class_incremental::{DiscriminantConfig, TransportConfig};
use treelora_core::Error;
use treelora_models::vit::{VitConfig, VitPreset};

use crate::{
    config_file,
    dataset::DatasetConfig,
    experiment_config::{Modality, label},
    image_pipeline::ImageConfig,
    method_config::MethodConfig,
    pretraining::PretrainingConfig,
    stream::StreamConfig,
    training::TrainingConfig,
};

/// An experiment on images; every key is documented where its type is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageExperimentConfig {
    /// Always `images`.
    #[serde(default)]
    pub modality: Modality,
    /// Name of the experiment, the first part of a run's name.
    pub name: String,
    /// Name of the variant that `--method` picked, the second part.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// Where the examples come from.
    pub data: DatasetConfig,
    /// Which of them, in which order.
    pub stream: StreamConfig,
    /// From files to pixels.
    #[serde(default)]
    pub images: ImageConfig,
    /// The frozen backbone.
    pub model: ModelConfig,
    /// Pre-training of a model without weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretraining: Option<PretrainingConfig>,
    /// Optimiser, schedule, seed.
    #[serde(default)]
    pub training: TrainingConfig,
    /// How the adapters learn.
    pub method: MethodConfig,
    /// A discriminant on the adapted features that answers in the place of the head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classifier: Option<ClassifierConfig>,
    /// Floors on the frozen backbone, by name.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub floors: std::collections::BTreeMap<String, DiscriminantConfig>,
    /// What is kept instead of computed again.
    #[serde(default)]
    pub cache: CacheConfig,
    /// Tables that `--method NAME` lays over the file: the contenders and ablations.
    #[serde(default, skip_serializing)]
    pub variants: Table,
}

/// The backbone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// A published size; single keys below override it.
    pub preset: VitPreset,
    /// Side of the images in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_size: Option<usize>,
    /// Side of a patch in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch_size: Option<usize>,
    /// Features of a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// Number of blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<usize>,
    /// Attention heads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads: Option<usize>,
    /// timm's `model.safetensors`; without it the model is pre-trained in the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
}

impl ModelConfig {
    /// Side of the images in pixels.
    pub fn image_size(&self) -> usize {
        self.image_size.unwrap_or(self.preset.config().image_size)
    }

    /// The architecture, with a head over `classes` classes.
    pub fn architecture(&self, classes: usize) -> VitConfig {
        let preset = self.preset.config();
        let width = self.width.unwrap_or(preset.width);
        VitConfig {
            image_size: self.image_size.unwrap_or(preset.image_size),
            patch_size: self.patch_size.unwrap_or(preset.patch_size),
            mlp_width: 4 * width,
            width,
            depth: self.depth.unwrap_or(preset.depth),
            heads: self.heads.unwrap_or(preset.heads),
            classes,
            ..preset
        }
    }
}

/// A discriminant in the place of the linear head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Which discriminant.
    pub discriminant: DiscriminantConfig,
    /// How the statistics of earlier tasks follow the adapter; they stay when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<TransportConfig>,
}

/// What is kept instead of computed again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheConfig {
    /// Compute the blocks before the first adapter once per image, if the activations fit into
    /// this many bytes; 0 switches it off. Images are then not augmented.
    pub prefix_bytes: usize,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            prefix_bytes: 4 << 30,
        }
    }
}

impl ImageExperimentConfig {
    /// The experiment of `text`, which came from `path`, with a variant and changes (dotted key, TOML
    /// value) laid over it.
    ///
    /// # Errors
    /// When a key is unknown or a setting is out of range; the message names the file and the key.
    pub fn parse(
        text: &str,
        path: &Path,
        variant: Option<&str>,
        changes: &[(String, String)],
    ) -> Result<Self, Error> {
        Self::from_table(config_file::merged(text, path, variant, changes)?, path)
    }

    /// The experiment of a merged table that came from `path`.
    ///
    /// # Errors
    /// When a key is unknown or a setting is out of range; the message names the file and the key.
    pub(crate) fn from_table(table: Table, path: &Path) -> Result<Self, Error> {
        let config: Self = config_file::typed(table, path)?;
        config
            .validate()
            .map_err(|e| Error::format(path, e.to_string()))?;
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
        self.stream.validate()?;
        self.images.validate()?;
        self.training.validate()?;
        self.training.validate_for(self.stream.num_tasks())?;
        self.method.validate()?;
        if let Some(classifier) = &self.classifier {
            classifier
                .discriminant
                .validate("classifier.discriminant")?;
            if let Some(transport) = &classifier.transport {
                transport.validate("classifier.transport")?;
            }
        }
        for (name, floor) in &self.floors {
            floor.validate(&format!("floors.{name}"))?;
        }
        match (&self.model.weights, &self.pretraining) {
            (None, None) => Err(Error::setting(
                "model.weights",
                "no weights (--weights FILE) and no [pretraining] to make some",
            )),
            _ => Ok(()),
        }
    }

    /// The variant, or the method's own name.
    pub fn method_label(&self) -> String {
        label(&self.variant, &self.method)
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
