//! The two-layer network that each token passes through.

use burn::{
    module::Module,
    nn::Linear,
    tensor::{Device, Tensor},
};
use rand::Rng;

use super::{VitConfig, initialization::linear};

/// `fc2(gelu(fc1(x)))` with the exact GELU.
#[derive(Module, Debug)]
pub struct Mlp {
    /// `[width, mlp_width]`.
    pub fc1: Linear,
    /// `[mlp_width, width]`.
    pub fc2: Linear,
}

impl Mlp {
    pub(super) fn init(config: &VitConfig, rng: &mut impl Rng, device: &Device) -> Self {
        Self {
            fc1: linear(config.width, config.mlp_width, rng, device),
            fc2: linear(config.mlp_width, config.width, rng, device),
        }
    }

    /// Transform each token by itself.
    ///
    /// # Shapes
    /// `[batch, positions, width]` -> `[batch, positions, width]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let hidden = treelora_kernels::gelu(treelora_lora::linear(&self.fc1, x));
        treelora_lora::linear(&self.fc2, hidden)
    }
}
