//! A network of two layers.

use burn::{
    module::Module,
    nn::Linear,
    tensor::{Device, Tensor},
};
use rand::Rng;

use super::initialization::linear;

/// `fc2(gelu(fc1(x)))` with the exact GELU.
#[derive(Module, Debug)]
pub struct Mlp {
    /// `[features, hidden]`.
    pub fc1: Linear,
    /// `[hidden, features]`.
    pub fc2: Linear,
}

impl Mlp {
    /// `features` in and out, `hidden` between.
    pub(crate) fn init(
        features: usize,
        hidden: usize,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Self {
        Self {
            fc1: linear(features, hidden, rng, device),
            fc2: linear(hidden, features, rng, device),
        }
    }

    /// Transform each row by itself.
    ///
    /// # Shapes
    /// `[batch, rows, features]` -> `[batch, rows, features]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let hidden = treelora_kernels::gelu(treelora_lora::linear(&self.fc1, x));
        treelora_lora::linear(&self.fc2, hidden)
    }
}
