//! Grouped-query self-attention with rotary positions.

use burn::{module::Module, nn::Linear, tensor::Tensor};
use treelora_core::Prefix;
use treelora_kernels::Rounding;

use super::{DecoderConfig, Positions, RmsNorm, Turn, cache::LayerCache, layer_shape::Shape};

/// Each query gathers the values of the positions before it; several query heads share a key head.
///
/// Source: Ainslie et al., <https://arxiv.org/abs/2305.13245>; sliding windows as in Mistral,
/// <https://arxiv.org/abs/2310.06825>.
#[derive(Module, Debug)]
pub struct SelfAttention {
    /// Queries, `[hidden_size, heads * head_dim]`.
    pub q_proj: Option<Linear>,
    /// Keys, `[hidden_size, key_value_heads * head_dim]`.
    pub k_proj: Option<Linear>,
    /// Values, `[hidden_size, key_value_heads * head_dim]`.
    pub v_proj: Option<Linear>,
    /// Queries, keys and values side by side, in a family that has one layer for them instead.
    pub qkv_proj: Option<Linear>,
    /// All heads together, `[heads * head_dim, hidden_size]`.
    pub o_proj: Linear,
    /// Over the features of a query head, where the family has it.
    pub q_norm: Option<RmsNorm>,
    /// Over the features of a key head, where the family has it.
    pub k_norm: Option<RmsNorm>,
    head_dim: usize,
    /// Features of all query heads and of all key heads.
    widths: [usize; 2],
    #[module(skip)]
    window: Option<usize>,
    #[module(skip)]
    turn: Turn,
    /// Factor of the queries beside the usual `1 / sqrt(head_dim)`.
    query_scale: f64,
    #[module(skip)]
    soft_cap: Option<f64>,
}

impl SelfAttention {
    /// Attention of layer number `layer`, whose layers and normalisations `linear` and `norm` give by name.
    pub(super) fn build<E>(
        config: &DecoderConfig,
        layer: usize,
        mut linear: impl FnMut(&'static str, Shape) -> Result<Linear, E>,
        mut norm: impl FnMut(&'static str, usize) -> Result<RmsNorm, E>,
    ) -> Result<Self, E> {
        let (width, family) = (config.hidden_size, config.family);
        let widths @ [queries, keys] = config.projected();
        let (fused, bias) = (family.fuses_projections(), family.qkv_bias());
        let mut projection = |name, outputs, there| match there {
            true => linear(name, Shape::of(width, outputs).with_bias(bias)).map(Some),
            false => Ok(None),
        };
        let q_proj = projection("q_proj", queries, !fused)?;
        let k_proj = projection("k_proj", keys, !fused)?;
        let v_proj = projection("v_proj", keys, !fused)?;
        let qkv_proj = projection("qkv_proj", queries + 2 * keys, fused)?;
        let o_proj = linear("o_proj", Shape::of(queries, width))?;
        let mut head_norm = |name| match family.normalises_queries_and_keys() {
            true => norm(name, config.head_dim).map(Some),
            false => Ok(None),
        };
        let head_dim = config.head_dim as f64;
        Ok(Self {
            q_proj,
            k_proj,
            v_proj,
            qkv_proj,
            o_proj,
            q_norm: head_norm("q_norm")?,
            k_norm: head_norm("k_norm")?,
            head_dim: config.head_dim,
            widths,
            window: config.window(layer),
            turn: config.turn(layer),
            query_scale: match config.query_pre_attn_scalar {
                Some(scalar) => (head_dim / scalar).sqrt(),
                None => 1.0,
            },
            soft_cap: config.attn_logit_softcapping,
        })
    }

    /// The layers under their names.
    pub(super) fn linears(&self) -> impl Iterator<Item = (&'static str, &Linear)> {
        let present = |(name, layer)| Some((name, Option::as_ref(layer)?));
        [
            ("q_proj", &self.q_proj),
            ("k_proj", &self.k_proj),
            ("v_proj", &self.v_proj),
            ("qkv_proj", &self.qkv_proj),
        ]
        .into_iter()
        .filter_map(present)
        .chain([("o_proj", &self.o_proj)])
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
        let [q, k, v] = self.projections(x).map(|x| self.split_heads(x));
        let normed = |x: Tensor<4>, norm: &Option<RmsNorm>| match norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        let q = positions.rotate(normed(q, &self.q_norm), self.turn);
        let q = match self.query_scale {
            1.0 => q,
            scale => q * scale,
        };
        [q, positions.rotate(normed(k, &self.k_norm), self.turn), v]
    }

    fn projections(&self, x: Tensor<3>) -> [Tensor<3>; 3] {
        if let [Some(q), Some(k), Some(v)] = [&self.q_proj, &self.k_proj, &self.v_proj] {
            return [q, k, v].map(|layer| treelora_lora::linear(layer, x.clone()));
        }
        let [queries, keys] = self.widths;
        let all = treelora_lora::linear(self.first(), x);
        let part = |first, width| all.clone().narrow(2, first, width);
        [
            part(0, queries),
            part(queries, keys),
            part(queries + keys, keys),
        ]
    }

    /// A layer that every attention has in one of two forms.
    fn first(&self) -> &Linear {
        let first = self.qkv_proj.as_ref().or(self.q_proj.as_ref());
        first.expect("`build` makes one of the two")
    }

    fn gather(&self, q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, positions: &Positions) -> Tensor<3> {
        let [batch, queries, heads, head_dim] = q.dims();
        let [q, k, v] = [q, k, v].map(|x| x.swap_dims(1, 2));
        let rounding = Rounding::beside(self.first().weight.base().dtype());
        let mask = positions.mask(self.window);
        let gathered = match self.soft_cap {
            None => treelora_kernels::attention(q, k, v, mask, rounding),
            Some(cap) => treelora_kernels::capped_attention(q, k, v, mask, cap, rounding),
        };
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
