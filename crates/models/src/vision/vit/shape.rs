//! What a file says of a vision transformer: a published size, and what differs from it.

use serde::{Deserialize, Serialize};
use treelora_core::Error;

use super::{VitConfig, VitPreset};
use crate::vision::VisionShape;

/// A published size; single keys override it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitShape {
    /// The published size.
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
}

impl VitShape {
    /// The architecture, with a head over `classes` classes.
    pub fn config(&self, classes: usize) -> VitConfig {
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

impl VisionShape for VitShape {
    fn image_size(&self) -> usize {
        self.image_size.unwrap_or(self.preset.config().image_size)
    }

    fn validate(&self, classes: usize) -> Result<(), Error> {
        self.config(classes).validate()
    }
}
