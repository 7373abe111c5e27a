//! Published weights: safetensors files with timm's names.
//!
//! Every tensor of the file has to have its place and every parameter its tensor; anything else is
//! an [`ImportError`] that names the file and all tensors that do not fit.

mod architecture;

mod position_resampling;

mod timm;

pub use crate::import::{ImportError, Misshaped};
pub use position_resampling::resample_positions;
pub use timm::HeadSource;
