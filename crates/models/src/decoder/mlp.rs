//! The gated network that each position passes through.

use burn::{module::Module, nn::Linear, tensor::Tensor};

use super::{Activation, DecoderConfig, layer_shape::Shape};

/// `down_proj(act(gate_proj(x)) * up_proj(x))`.
///
/// Source: Shazeer, <https://arxiv.org/abs/2002.05202>.
#[derive(Module, Debug)]
pub struct GatedMlp {
    /// What passes, `[hidden_size, intermediate_size]`.
    pub gate_proj: Option<Linear>,
    /// What is passed on, `[hidden_size, intermediate_size]`.
    pub up_proj: Option<Linear>,
    /// Both side by side, in a family that has one layer for them instead.
    pub gate_up_proj: Option<Linear>,
    /// Back to the width of the model, `[intermediate_size, hidden_size]`.
    pub down_proj: Linear,
    #[module(skip)]
    activation: Activation,
}

impl GatedMlp {
    /// The MLP whose layers `linear` gives by name.
    pub(super) fn build<E>(
        config: &DecoderConfig,
        mut linear: impl FnMut(&'static str, Shape) -> Result<Linear, E>,
    ) -> Result<Self, E> {
        let (width, hidden) = (config.hidden_size, config.intermediate_size);
        let fused = config.family.fuses_projections();
        let mut layer = |name, outputs, there| match there {
            true => linear(name, Shape::of(width, outputs)).map(Some),
            false => Ok(None),
        };
        Ok(Self {
            gate_proj: layer("gate_proj", hidden, !fused)?,
            up_proj: layer("up_proj", hidden, !fused)?,
            gate_up_proj: layer("gate_up_proj", 2 * hidden, fused)?,
            down_proj: linear("down_proj", Shape::of(hidden, width))?,
            activation: config.family.activation(),
        })
    }

    /// The layers under their names.
    pub(super) fn linears(&self) -> impl Iterator<Item = (&'static str, &Linear)> {
        [
            ("gate_proj", &self.gate_proj),
            ("up_proj", &self.up_proj),
            ("gate_up_proj", &self.gate_up_proj),
        ]
        .into_iter()
        .filter_map(|(name, layer)| Some((name, Option::as_ref(layer)?)))
        .chain([("down_proj", &self.down_proj)])
    }

    /// Transform each position by itself.
    ///
    /// # Shapes
    /// `[batch, positions, hidden_size]` -> the same.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [gate, up] = self.projections(x);
        let passed = match self.activation {
            Activation::Silu => treelora_kernels::silu_gate(gate, up),
            Activation::GeluTanh => treelora_kernels::gelu_tanh(gate) * up,
        };
        treelora_lora::linear(&self.down_proj, passed)
    }

    fn projections(&self, x: Tensor<3>) -> [Tensor<3>; 2] {
        if let [Some(gate), Some(up)] = [&self.gate_proj, &self.up_proj] {
            return [gate, up].map(|layer| treelora_lora::linear(layer, x.clone()));
        }
        let fused = self.gate_up_proj.as_ref();
        let both = treelora_lora::linear(fused.expect("`build` makes it or the other two"), x);
        let hidden = both.dims()[2] / 2;
        [0, hidden].map(|first| both.clone().narrow(2, first, hidden))
    }
}
