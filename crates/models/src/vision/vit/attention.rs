//! Multi-head self-attention.

use burn::{
    module::Module,
    nn::Linear,
    tensor::{Device, Tensor},
};
use rand::Rng;
use treelora_core::Prefix;
use treelora_kernels::{AttentionMask, Rounding};

use super::VitConfig;
use crate::vision::{
    LayerNorm,
    initialization::{linear, linear_without_bias},
};

/// `softmax(q k^T / sqrt(head_dim)) v` in each head, then a projection of all heads together.
///
/// Query, key and value are three layers, so that an adapter can sit on each of them; timm's fused
/// `qkv` is split when weights are imported.
#[derive(Module, Debug)]
pub struct Attention {
    /// Query projection, `[width, width]`.
    pub q: Linear,
    /// Key projection, `[width, width]`.
    pub k: Linear,
    /// Value projection, `[width, width]`.
    pub v: Linear,
    /// Output projection, `[width, width]`.
    pub proj: Linear,
    /// Normalises the queries of each head, in variants that do.
    pub q_norm: Option<LayerNorm>,
    /// Normalises the keys of each head, those of a prefix too.
    pub k_norm: Option<LayerNorm>,
    heads: usize,
}

impl Attention {
    pub(super) fn new(
        [q, k, v]: [Linear; 3],
        proj: Linear,
        [q_norm, k_norm]: [Option<LayerNorm>; 2],
        heads: usize,
    ) -> Self {
        Self {
            q,
            k,
            v,
            proj,
            q_norm,
            k_norm,
            heads,
        }
    }

    pub(super) fn init(config: &VitConfig, rng: &mut impl Rng, device: &Device) -> Self {
        let width = config.width;
        let qkv = [(); 3].map(|()| match config.qkv_bias {
            true => linear(width, width, rng, device),
            false => linear_without_bias(width, width, rng, device),
        });
        let norms = [(); 2].map(|()| {
            let norm = || LayerNorm::init(width / config.heads, config.norm_epsilon, device);
            config.variant.qk_norm.then(norm)
        });
        Self::new(qkv, linear(width, width, rng, device), norms, config.heads)
    }

    /// What each of `queries` gathers from `tokens`.
    ///
    /// Self-attention passes the same tokens twice; a block of which only some positions are read
    /// passes those as queries.
    ///
    /// # Shapes
    /// queries `[batch, queries, width]`, tokens `[batch, positions, width]` ->
    /// `[batch, queries, width]`.
    pub fn forward(&self, queries: Tensor<3>, tokens: Tensor<3>) -> Tensor<3> {
        self.forward_behind(None, queries, tokens)
    }

    /// [`forward`](Self::forward) with the keys and values of a prefix in front.
    pub(super) fn forward_behind(
        &self,
        prefix: Option<&Prefix>,
        queries: Tensor<3>,
        tokens: Tensor<3>,
    ) -> Tensor<3> {
        let q = self.split_heads(treelora_lora::linear(&self.q, queries));
        let k = treelora_lora::linear(&self.k, tokens.clone());
        let v = treelora_lora::linear(&self.v, tokens);
        let [k, v] = match prefix {
            Some(prefix) => prefix.before(k, v),
            None => [k, v],
        };
        let [k, v] = [k, v].map(|x| self.split_heads(x));
        let [q, k] = [(&self.q_norm, q), (&self.k_norm, k)].map(|(norm, x)| match norm {
            Some(norm) => norm.forward(x),
            None => x,
        });
        let rounding = Rounding::beside(self.q.weight.base().dtype());
        let gathered = treelora_kernels::attention(q, k, v, &AttentionMask::None, rounding);
        treelora_lora::linear(&self.proj, join_heads(gathered))
    }

    /// `[batch, positions, width]` -> `[batch, heads, positions, head_dim]`.
    fn split_heads(&self, x: Tensor<3>) -> Tensor<4> {
        let [batch, positions, width] = x.dims();
        x.reshape([batch, positions, self.heads, width / self.heads])
            .swap_dims(1, 2)
    }
}

/// `[batch, heads, positions, head_dim]` -> `[batch, positions, width]`.
fn join_heads(x: Tensor<4>) -> Tensor<3> {
    let [batch, heads, positions, head_dim] = x.dims();
    x.swap_dims(1, 2)
        .reshape([batch, positions, heads * head_dim])
}
