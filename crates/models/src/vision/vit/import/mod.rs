//! Published weights: safetensors files with timm's names.
//!
//! Every tensor of the file has to have its place and every parameter its tensor; anything else is
//! an [`ImportError`] that names the file and all tensors that do not fit. Which [variant](super::VitVariant) a file holds
//! its tensors tell; what they do not, the `config.json` beside it may.

mod architecture;

mod position_resampling;

mod timm;

mod timm_config;

mod variant;

pub use crate::import::{ImportError, Misshaped};
pub use position_resampling::resample_positions;
pub use timm::HeadSource;
pub(super) use timm::{heads, norm_name};
pub use variant::uncertainties;
