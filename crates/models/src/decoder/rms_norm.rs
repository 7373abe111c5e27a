//! Root mean square normalisation over the features of a position.

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor},
};

use super::{DecoderConfig, initialization::constant};

/// `x / sqrt(mean(x^2) + epsilon) * (weight + offset)` over the last axis.
///
/// The offset is 1 for Gemma, whose weights are stored around 0, and 0 for all others.
#[derive(Module, Debug)]
pub struct RmsNorm {
    /// Scale of each feature, `[features]`.
    pub weight: Param<Tensor<1>>,
    epsilon: f64,
    offset: f64,
}

impl RmsNorm {
    pub(super) fn new(weight: Param<Tensor<1>>, config: &DecoderConfig) -> Self {
        Self {
            weight,
            epsilon: config.rms_norm_eps,
            offset: config.family.norm_offset(),
        }
    }

    /// A normalisation that scales by 1.
    pub(super) fn init(features: usize, config: &DecoderConfig, device: &Device) -> Self {
        let value = 1.0 - config.family.norm_offset() as f32;
        Self::new(constant(features, value, device), config)
    }

    /// Normalise the last axis.
    ///
    /// # Shapes
    /// `[.., features]` -> `[.., features]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let weight = match self.offset {
            0.0 => self.weight.val(),
            offset => self.weight.val() + offset,
        };
        treelora_kernels::rms_norm(x, weight, self.epsilon)
    }
}
