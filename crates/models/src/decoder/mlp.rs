//! The gated network that each position passes through.

use burn::{
    module::Module,
    nn::Linear,
    tensor::{Device, Tensor},
};
use rand::Rng;

use super::{Activation, DecoderConfig, initialization::linear};

/// `down_proj(act(gate_proj(x)) * up_proj(x))`.
///
/// Source: Shazeer, <https://arxiv.org/abs/2002.05202>.
#[derive(Module, Debug)]
pub struct GatedMlp {
    /// What passes, `[hidden_size, intermediate_size]`.
    pub gate_proj: Linear,
    /// What is passed on, `[hidden_size, intermediate_size]`.
    pub up_proj: Linear,
    /// Back to the width of the model, `[intermediate_size, hidden_size]`.
    pub down_proj: Linear,
    #[module(skip)]
    activation: Activation,
}

impl GatedMlp {
    pub(super) fn new(
        [gate_proj, up_proj, down_proj]: [Linear; 3],
        activation: Activation,
    ) -> Self {
        Self {
            gate_proj,
            up_proj,
            down_proj,
            activation,
        }
    }

    pub(super) fn init(config: &DecoderConfig, rng: &mut impl Rng, device: &Device) -> Self {
        let (width, hidden) = (config.hidden_size, config.intermediate_size);
        let layers = [(width, hidden), (width, hidden), (hidden, width)];
        let layers = layers.map(|(inputs, outputs)| linear(inputs, outputs, rng, device));
        Self::new(layers, config.family.activation())
    }

    /// Transform each position by itself.
    ///
    /// # Shapes
    /// `[batch, positions, hidden_size]` -> the same.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let gate = treelora_lora::linear(&self.gate_proj, x.clone());
        let up = treelora_lora::linear(&self.up_proj, x);
        let passed = match self.activation {
            Activation::Silu => treelora_kernels::silu_gate(gate, up),
            Activation::GeluTanh => treelora_kernels::gelu_tanh(gate) * up,
        };
        treelora_lora::linear(&self.down_proj, passed)
    }
}
