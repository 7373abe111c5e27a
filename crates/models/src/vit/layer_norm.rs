//! Layer normalisation over the features of a token.

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor},
};

use super::{VitConfig, initialization::constant};

/// `(x - mean) / sqrt(variance + epsilon) * weight + bias` over the last axis.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// Scale of each feature, `[width]`.
    pub weight: Param<Tensor<1>>,
    /// Shift of each feature, `[width]`.
    pub bias: Param<Tensor<1>>,
    epsilon: f64,
}

impl LayerNorm {
    pub(super) fn new(weight: Param<Tensor<1>>, bias: Param<Tensor<1>>, epsilon: f64) -> Self {
        Self {
            weight,
            bias,
            epsilon,
        }
    }

    pub(super) fn init(config: &VitConfig, device: &Device) -> Self {
        let weight = constant(config.width, 1.0, device);
        let bias = constant(config.width, 0.0, device);
        Self::new(weight, bias, config.norm_epsilon)
    }

    /// Normalise the last axis.
    ///
    /// # Shapes
    /// `[..., width]` -> `[..., width]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        treelora_kernels::layer_norm(x, self.weight.val(), self.bias.val(), self.epsilon)
    }
}
