//! Random changes of training images.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::geometry::{Resizing, mirrored};
use crate::dataset::{DatasetError, Picture};

/// Random changes of training images; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// Probability that left and right are exchanged.
    pub horizontal_flip: f64,
    /// Crop a random part instead of the centre.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub random_resized_crop: Option<RandomResizedCrop>,
}

/// torchvision's `RandomResizedCrop`: a part of random area and shape, resized to the image size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandomResizedCrop {
    /// Smallest and largest share of the area.
    pub scale: [f64; 2],
    /// Smallest and largest width over height.
    pub ratio: [f64; 2],
}

impl Default for RandomResizedCrop {
    fn default() -> Self {
        Self {
            scale: [0.08, 1.0],
            ratio: [3.0 / 4.0, 4.0 / 3.0],
        }
    }
}

impl Augmentation {
    /// Whether anything is changed.
    pub fn is_on(&self) -> bool {
        self.horizontal_flip > 0.0 || self.random_resized_crop.is_some()
    }

    pub(super) fn validate(&self) -> Result<(), DatasetError> {
        let setting = |key, problem| Err(DatasetError::Setting { key, problem });
        if !(0.0..=1.0).contains(&self.horizontal_flip) {
            return setting(
                "augmentation.horizontal_flip",
                format!("{} is not between 0 and 1", self.horizontal_flip),
            );
        }
        let Some(crop) = &self.random_resized_crop else {
            return Ok(());
        };
        let [low, high] = crop.scale;
        if !(low > 0.0 && low <= high && high <= 1.0) {
            return setting(
                "augmentation.random_resized_crop.scale",
                format!("[{low}, {high}] is no interval within 0 and 1"),
            );
        }
        let [low, high] = crop.ratio;
        if !(low > 0.0 && low <= high && high.is_finite()) {
            return setting(
                "augmentation.random_resized_crop.ratio",
                format!("[{low}, {high}] is no interval above 0"),
            );
        }
        Ok(())
    }

    /// The picture at `size` x `size`, changed by `seed` alone.
    pub(super) fn apply(
        &self,
        picture: &Picture,
        size: u32,
        shorter: u32,
        seed: u64,
        resizing: &mut Resizing,
    ) -> Picture {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let resized = match &self.random_resized_crop {
            Some(crop) => {
                let part = crop.part(picture.width(), picture.height(), &mut rng);
                let part = picture.cropped(part.left, part.top, part.width, part.height);
                resizing.resize(&part, size, size)
            }
            None => resizing.centre(picture, shorter, size),
        };
        match rng.random_bool(self.horizontal_flip) {
            true => mirrored(&resized),
            false => resized,
        }
    }
}

/// A rectangle of a picture in pixels.
struct Part {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

impl RandomResizedCrop {
    /// A random part of a picture; after ten misses, the largest in the centre with an allowed
    /// shape, as torchvision does.
    fn part(&self, width: u32, height: u32, rng: &mut ChaCha8Rng) -> Part {
        let area = f64::from(width) * f64::from(height);
        let [narrow, wide] = self.ratio;
        for _ in 0..10 {
            let target = area * rng.random_range(self.scale[0]..=self.scale[1]);
            let ratio = rng.random_range(narrow.ln()..=wide.ln()).exp();
            let part_width = (target * ratio).sqrt().round() as u32;
            let part_height = (target / ratio).sqrt().round() as u32;
            if (1..=width).contains(&part_width) && (1..=height).contains(&part_height) {
                return Part {
                    left: rng.random_range(0..=width - part_width),
                    top: rng.random_range(0..=height - part_height),
                    width: part_width,
                    height: part_height,
                };
            }
        }
        let ratio = f64::from(width) / f64::from(height);
        let within = |side: f64, limit: u32| (side.round() as u32).clamp(1, limit);
        let (part_width, part_height) = if ratio < narrow {
            (width, within(f64::from(width) / narrow, height))
        } else if ratio > wide {
            (within(f64::from(height) * wide, width), height)
        } else {
            (width, height)
        };
        Part {
            left: (width - part_width) / 2,
            top: (height - part_height) / 2,
            width: part_width,
            height: part_height,
        }
    }
}
