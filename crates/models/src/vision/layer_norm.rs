//! Layer normalisation over the features of a token.

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor},
};

use super::initialization::constant;

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
    pub(crate) fn new(weight: Param<Tensor<1>>, bias: Param<Tensor<1>>, epsilon: f64) -> Self {
        Self {
            weight,
            bias,
            epsilon,
        }
    }

    pub(crate) fn init(width: usize, epsilon: f64, device: &Device) -> Self {
        let [weight, bias] = [1.0, 0.0].map(|value| constant(width, value, device));
        Self::new(weight, bias, epsilon)
    }

    /// Normalise the last axis.
    ///
    /// # Shapes
    /// `[..., width]` -> `[..., width]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        treelora_kernels::layer_norm(x, self.weight.val(), self.bias.val(), self.epsilon)
    }
}
