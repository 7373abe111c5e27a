//! One layer of the transformer.

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor},
};
use rand::Rng;
use treelora_core::Prefix;

use super::{Attention, VitConfig};
use crate::vision::{LayerNorm, Mlp, initialization::constant};

/// Factors of what a block adds, in a model that is trained from scratch.
const LAYER_SCALE: f32 = 1e-5;

/// Attention and MLP, each normalised before and added to what came in.
#[derive(Module, Debug)]
pub struct Block {
    /// Before the attention.
    pub norm1: LayerNorm,
    /// Mixes tokens.
    pub attention: Attention,
    /// Before the MLP.
    pub norm2: LayerNorm,
    /// Transforms each token.
    pub mlp: Mlp,
    /// Factors of what the attention adds, `[width]`, in variants that have them.
    pub attention_scale: Option<Param<Tensor<1>>>,
    /// Factors of what the MLP adds, `[width]`.
    pub mlp_scale: Option<Param<Tensor<1>>>,
}

impl Block {
    /// Tokens that the last block computes: the class token, which alone is read, and one more.
    ///
    /// With one row a batch of one image would be a matrix-vector product, which rounds unlike the
    /// matrix product of a larger batch; with two, an image scores the same bits in any batch.
    pub const READ_OUT: usize = 2;

    pub(super) fn init(config: &VitConfig, rng: &mut impl Rng, device: &Device) -> Self {
        let [attention_scale, mlp_scale] = [(); 2].map(|()| {
            let scale = || constant(config.width, LAYER_SCALE, device);
            config.variant.layer_scale.then(scale)
        });
        Self {
            attention_scale,
            mlp_scale,
            norm1: LayerNorm::init(config.width, config.norm_epsilon, device),
            attention: Attention::init(config, rng, device),
            norm2: LayerNorm::init(config.width, config.norm_epsilon, device),
            mlp: Mlp::init(config.width, config.mlp_width, rng, device),
        }
    }

    /// All tokens after this block.
    ///
    /// # Shapes
    /// `[batch, positions, width]` -> `[batch, positions, width]`.
    pub fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        let positions = tokens.dims()[1];
        self.forward_first(positions, tokens, None)
    }

    /// The first [`READ_OUT`](Self::READ_OUT) tokens after this block, without computing the rows
    /// that nobody reads after the last block.
    ///
    /// # Shapes
    /// `[batch, positions, width]` -> `[batch, READ_OUT, width]`.
    pub fn forward_read_out(&self, tokens: Tensor<3>) -> Tensor<3> {
        self.forward_first(Self::READ_OUT, tokens, None)
    }

    /// The first `count` tokens after this block, which may have a prefix.
    pub(super) fn forward_first(
        &self,
        count: usize,
        tokens: Tensor<3>,
        prefix: Option<&Prefix>,
    ) -> Tensor<3> {
        let normed = self.norm1.forward(tokens.clone());
        let queries = first(normed.clone(), count);
        let gathered = self.attention.forward_behind(prefix, queries, normed);
        self.add_mlp(first(tokens, count) + scaled(gathered, &self.attention_scale))
    }

    fn add_mlp(&self, tokens: Tensor<3>) -> Tensor<3> {
        let added = self.mlp.forward(self.norm2.forward(tokens.clone()));
        tokens + scaled(added, &self.mlp_scale)
    }
}

fn scaled(added: Tensor<3>, scale: &Option<Param<Tensor<1>>>) -> Tensor<3> {
    match scale {
        Some(scale) => added * scale.val().unsqueeze(),
        None => added,
    }
}

/// The first `count` tokens; all of them as they are, without a slice in the graph.
fn first(tokens: Tensor<3>, count: usize) -> Tensor<3> {
    match tokens.dims()[1] == count {
        true => tokens,
        false => tokens.narrow(1, 0, count),
    }
}
