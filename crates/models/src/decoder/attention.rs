//! Grouped-query self-attention with rotary positions.

use burn::{
    module::Module,
    nn::Linear,
    tensor::{Device, Tensor},
};
use rand::Rng;
use treelora_core::Prefix;
use treelora_kernels::Rounding;

use super::{
    DecoderConfig, Positions, RmsNorm,
    cache::LayerCache,
    initialization::{constant, linear},
};

/// Each query gathers the values of the positions before it; several query heads share a key head.
///
/// Source: Ainslie et al., <https://arxiv.org/abs/2305.13245>; sliding windows as in Mistral,
/// <https://arxiv.org/abs/2310.06825>.
#[derive(Module, Debug)]
pub struct SelfAttention {
    /// Queries, `[hidden_size, heads * head_dim]`.
    pub q_proj: Linear,
    /// Keys, `[hidden_size, key_value_heads * head_dim]`.
    pub k_proj: Linear,
    /// Values, `[hidden_size, key_value_heads * head_dim]`.
    pub v_proj: Linear,
    /// All heads together, `[heads * head_dim, hidden_size]`.
    pub o_proj: Linear,
    /// Over the features of a query head, where the family has it.
    pub q_norm: Option<RmsNorm>,
    /// Over the features of a key head, where the family has it.
    pub k_norm: Option<RmsNorm>,
    head_dim: usize,
    #[module(skip)]
    window: Option<usize>,
}

impl SelfAttention {
    pub(super) fn new(
        [q_proj, k_proj, v_proj, o_proj]: [Linear; 4],
        [q_norm, k_norm]: [Option<RmsNorm>; 2],
        config: &DecoderConfig,
        layer: usize,
    ) -> Self {
        Self {
            q_proj,
            k_proj,
            v_proj,
            o_proj,
            q_norm,
            k_norm,
            head_dim: config.head_dim,
            window: config.window(layer),
        }
    }

    pub(super) fn init(
        config: &DecoderConfig,
        layer: usize,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Self {
        let width = config.hidden_size;
        let [queries, keys] = config.projected();
        let mut biased = |outputs| Linear {
            bias: config
                .family
                .qkv_bias()
                .then(|| constant(outputs, 0.0, device)),
            ..linear(width, outputs, rng, device)
        };
        let [q, k, v] = [queries, keys, keys].map(&mut biased);
        let norm = || RmsNorm::init(config.head_dim, config, device);
        let norms = [(); 2].map(|()| config.family.normalises_queries_and_keys().then(norm));
        Self::new(
            [q, k, v, linear(queries, width, rng, device)],
            norms,
            config,
            layer,
        )
    }

    /// What each position gathers from itself, those before it and the prefix, where there is one.
    ///
    /// Keys of the prefix are not rotated and move no position. A layer with a sliding window sees them as far as its
    /// window reaches, as if they stood in front of the first position.
    ///
    /// # Shapes
    /// `[batch, positions, hidden_size]` -> the same.
    pub fn forward(
        &self,
        x: Tensor<3>,
        positions: &Positions,
        prefix: Option<&Prefix>,
    ) -> Tensor<3> {
        let [q, k, v] = self.project(x, positions);
        let [k, v] = match prefix {
            Some(prefix) => {
                let joined = |x: Tensor<4>| x.flatten::<3>(2, 3);
                prefix
                    .before(joined(k), joined(v))
                    .map(|x| self.split_heads(x))
            }
            None => [k, v],
        };
        self.gather(q, k, v, positions)
    }

    /// [`forward`](Self::forward) of positions that follow those of a cache, which takes them up.
    pub fn forward_cached(
        &self,
        x: Tensor<3>,
        positions: &Positions,
        cache: &mut LayerCache,
    ) -> Tensor<3> {
        let [q, k, v] = self.project(x, positions);
        let [k, v] = cache.extend(k, v);
        self.gather(q, k, v, positions)
    }

    /// Queries, keys and values, `[batch, positions, heads, head_dim]` each.
    fn project(&self, x: Tensor<3>, positions: &Positions) -> [Tensor<4>; 3] {
        let [q, k, v] = [&self.q_proj, &self.k_proj, &self.v_proj]
            .map(|layer| self.split_heads(treelora_lora::linear(layer, x.clone())));
        let normed = |x: Tensor<4>, norm: &Option<RmsNorm>| match norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        [
            positions.rotate(normed(q, &self.q_norm)),
            positions.rotate(normed(k, &self.k_norm)),
            v,
        ]
    }

    fn gather(&self, q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, positions: &Positions) -> Tensor<3> {
        let [batch, queries, heads, head_dim] = q.dims();
        let [q, k, v] = [q, k, v].map(|x| x.swap_dims(1, 2));
        let rounding = Rounding::beside(self.q_proj.weight.base().dtype());
        let mask = positions.mask(self.window);
        let gathered = treelora_kernels::attention(q, k, v, mask, rounding);
        let joined = gathered
            .swap_dims(1, 2)
            .reshape([batch, queries, heads * head_dim]);
        treelora_lora::linear(&self.o_proj, joined)
    }

    fn split_heads(&self, x: Tensor<3>) -> Tensor<4> {
        let [batch, positions, features] = x.dims();
        x.reshape([batch, positions, features / self.head_dim, self.head_dim])
    }
}

impl DecoderConfig {
    /// Features of all query heads and of all key heads.
    pub(super) fn projected(&self) -> [usize; 2] {
        [self.num_attention_heads, self.num_key_value_heads].map(|heads| heads * self.head_dim)
    }
}
