//! Sizes, filters, normalisation and threads.

use serde::{Deserialize, Serialize};

use super::{Augmentation, CHANNELS, Interpolation};
use crate::dataset::{DatasetError, MAX_SIDE};

/// Threads by default, at most: each keeps a batch or two of pixels in memory.
const DEFAULT_WORKERS: usize = 8;

/// The `[images]` table of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageConfig {
    /// Shorter side in pixels before the centre crop to the model's image size; the image size
    /// itself when absent, so that only the longer side is cropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<usize>,
    /// How pixels are interpolated.
    pub interpolation: Interpolation,
    /// Mean and standard deviation that are taken out of the pixels.
    pub normalization: Normalization,
    /// Random changes of training images.
    pub augmentation: Augmentation,
    /// Threads that prepare batches; as many as there are cores, at most 8, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<usize>,
    /// Batches that each thread keeps ready.
    pub prefetch: usize,
}

impl Default for ImageConfig {
    fn default() -> Self {
        Self {
            resize: None,
            interpolation: Interpolation::default(),
            normalization: Normalization::default(),
            augmentation: Augmentation::default(),
            workers: None,
            prefetch: 1,
        }
    }
}

/// What is subtracted from, and divides, pixels in `[0, 1]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalization {
    /// Mean 0.5 and deviation 0.5, values in `[-1, 1]`: the AugReg vision transformers.
    #[default]
    Half,
    /// Mean and deviation of ImageNet.
    #[serde(rename = "imagenet")]
    ImageNet,
    /// Mean and deviation of CIFAR-10's training images.
    #[serde(rename = "cifar-10")]
    Cifar10,
    /// Mean and deviation of CIFAR-100's training images.
    #[serde(rename = "cifar-100")]
    Cifar100,
    /// Nothing: values stay in `[0, 1]`.
    None,
    /// Own values, red, green, blue.
    Custom {
        /// Subtracted.
        mean: [f32; CHANNELS],
        /// Divides.
        std: [f32; CHANNELS],
    },
}

impl Normalization {
    /// Mean and standard deviation of red, green, blue.
    pub fn mean_and_std(self) -> ([f32; CHANNELS], [f32; CHANNELS]) {
        match self {
            Self::Half => ([0.5; CHANNELS], [0.5; CHANNELS]),
            Self::ImageNet => ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            Self::Cifar10 => ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
            Self::Cifar100 => ([0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762]),
            Self::None => ([0.0; CHANNELS], [1.0; CHANNELS]),
            Self::Custom { mean, std } => (mean, std),
        }
    }

    /// The normalised value of each byte in each channel, rounded as `(byte / 255 - mean) / std` is
    /// in f32.
    pub(super) fn table(self) -> [[f32; 256]; CHANNELS] {
        let (mean, std) = self.mean_and_std();
        std::array::from_fn(|channel| {
            std::array::from_fn(|byte| (byte as f32 / 255.0 - mean[channel]) / std[channel])
        })
    }
}

impl ImageConfig {
    /// Check the settings.
    ///
    /// # Errors
    /// Names the key.
    pub fn validate(&self) -> Result<(), DatasetError> {
        let setting = |key, problem| Err(DatasetError::Setting { key, problem });
        if self.workers == Some(0) {
            return setting("workers", "0 is not above 0".into());
        }
        if self.prefetch == 0 {
            return setting("prefetch", "0 is not above 0".into());
        }
        let (mean, std) = self.normalization.mean_and_std();
        if mean.iter().any(|mean| !mean.is_finite()) {
            return setting(
                "normalization.custom.mean",
                format!("{mean:?} is not finite"),
            );
        }
        if std.iter().any(|std| !std.is_finite() || *std <= 0.0) {
            return setting(
                "normalization.custom.std",
                format!("{std:?} is not above 0"),
            );
        }
        self.augmentation.validate()
    }

    /// Check the settings together with the image size of a model.
    pub(super) fn validate_for(&self, image_size: usize) -> Result<(), DatasetError> {
        self.validate()?;
        let setting = |key, problem| Err(DatasetError::Setting { key, problem });
        if !(1..=MAX_SIDE as usize).contains(&image_size) {
            return Err(DatasetError::ImageSize {
                size: image_size,
                largest: MAX_SIDE,
            });
        }
        match self.resize {
            Some(resize) if !(image_size..=MAX_SIDE as usize).contains(&resize) => setting(
                "resize",
                format!("{resize} is not between the image size {image_size} and {MAX_SIDE}"),
            ),
            _ => Ok(()),
        }
    }

    /// Length of the shorter side before the crop, in pixels.
    pub(super) fn shorter_side(&self, image_size: usize) -> u32 {
        self.resize.unwrap_or(image_size) as u32
    }

    /// Threads that prepare batches.
    pub(super) fn workers(&self) -> usize {
        self.workers.unwrap_or_else(|| {
            std::thread::available_parallelism()
                .map_or(1, usize::from)
                .min(DEFAULT_WORKERS)
        })
    }
}
