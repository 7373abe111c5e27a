//! One layer of the decoder.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use rand::Rng;
use treelora_core::Prefix;

use super::{DecoderConfig, GatedMlp, Positions, RmsNorm, SelfAttention, cache::LayerCache};

/// Attention and MLP, each normalised before and added to what came in.
#[derive(Module, Debug)]
pub struct DecoderBlock {
    /// Before the attention.
    pub input_layernorm: RmsNorm,
    /// Mixes positions.
    pub self_attn: SelfAttention,
    /// Before the MLP.
    pub post_attention_layernorm: RmsNorm,
    /// Transforms each position.
    pub mlp: GatedMlp,
}

impl DecoderBlock {
    pub(super) fn init(
        config: &DecoderConfig,
        layer: usize,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Self {
        Self {
            input_layernorm: RmsNorm::init(config.hidden_size, config, device),
            self_attn: SelfAttention::init(config, layer, rng, device),
            post_attention_layernorm: RmsNorm::init(config.hidden_size, config, device),
            mlp: GatedMlp::init(config, rng, device),
        }
    }

    /// All positions after this layer, whose attention may see a prefix.
    ///
    /// # Shapes
    /// `[batch, positions, hidden_size]` -> the same.
    pub fn forward(
        &self,
        x: Tensor<3>,
        positions: &Positions,
        prefix: Option<&Prefix>,
    ) -> Tensor<3> {
        let normed = self.input_layernorm.forward(x.clone());
        self.add_mlp(x + self.self_attn.forward(normed, positions, prefix))
    }

    /// [`forward`](Self::forward) of positions that follow those of a cache, which takes them up.
    pub fn forward_cached(
        &self,
        x: Tensor<3>,
        positions: &Positions,
        cache: &mut LayerCache,
    ) -> Tensor<3> {
        let normed = self.input_layernorm.forward(x.clone());
        self.add_mlp(x + self.self_attn.forward_cached(normed, positions, cache))
    }

    fn add_mlp(&self, x: Tensor<3>) -> Tensor<3> {
        x.clone() + self.mlp.forward(self.post_attention_layernorm.forward(x))
    }
}
