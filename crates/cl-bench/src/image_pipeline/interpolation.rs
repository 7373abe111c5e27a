//! How pixels are interpolated.

use serde::{Deserialize, Serialize};

/// A filter of the resizer; both widen when they shrink (antialiasing), as Pillow's do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// Catmull-Rom, `a = -0.5`: timm's default for vision transformers.
    #[default]
    Bicubic,
    /// Triangle.
    Bilinear,
}
