//! Multi-head scaled dot-product attention.

use burn::tensor::{DType, Tensor, activation};

#[cfg(feature = "flex")]
use crate::cpu::{self, FusedOps, Kernels, Pattern};
use crate::{AttentionMask, Rounding};

/// Scaled dot-product attention `softmax(q k^T / sqrt(head_dim)) v` per head, over the keys that `mask` allows.
///
/// Grouped heads: `k` and `v` may have fewer heads than `q`; query head `i` reads key head `i / (heads / key_heads)`.
/// With [`Rounding::Bf16`] the fused kernel rounds the operands of its products where the processor has AMX, the weights
/// of the values among them, as attention does in PyTorch's autocast.
/// The fused kernel never stores the score matrix of a long sequence; its backward computes the scores again.
/// Source: Vaswani et al., <https://arxiv.org/abs/1706.03762>; Dao, <https://arxiv.org/abs/2307.08691> (tiling).
///
/// # Shapes
/// `q [batch, heads, queries, head_dim]`, `k [batch, key_heads, keys, head_dim]`,
/// `v [batch, key_heads, keys, value_dim]` -> `[batch, heads, queries, value_dim]`
///
/// # Panics
/// When the shapes do not fit, or `key_heads` does not divide `heads`.
pub fn attention(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    mask: &AttentionMask,
    rounding: Rounding,
) -> Tensor<4> {
    within([q, k, v], mask, None, rounding)
}

/// As [`attention`], with scores that stay within `cap`: `cap tanh(score / cap)` in the place of each.
///
/// Source: Gemma 2, <https://arxiv.org/abs/2408.00118>.
///
/// # Shapes / # Panics
/// As [`attention`].
pub fn capped_attention(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    mask: &AttentionMask,
    cap: f64,
    rounding: Rounding,
) -> Tensor<4> {
    within([q, k, v], mask, Some(cap), rounding)
}

#[cfg_attr(
    not(feature = "flex"),
    expect(
        unused_variables,
        reason = "the composed operations round by their types"
    )
)]
fn within(
    [q, k, v]: [Tensor<4>; 3],
    mask: &AttentionMask,
    soft_cap: Option<f64>,
    rounding: Rounding,
) -> Tensor<4> {
    let [batch, heads, queries, head_dim] = q.dims();
    let [key_batch, key_heads, keys, key_dim] = k.dims();
    let [value_batch, value_heads, values, _] = v.dims();
    assert!(
        key_batch == batch && value_batch == batch && value_heads == key_heads && values == keys,
        "attention: q {:?}, k {:?} and v {:?} do not fit",
        q.dims(),
        k.dims(),
        v.dims()
    );
    assert_eq!(
        key_dim, head_dim,
        "attention: queries and keys differ in head dimension"
    );
    assert!(
        key_heads > 0 && heads % key_heads == 0,
        "attention: {key_heads} key heads do not divide {heads} heads"
    );
    if let Some(padding) = mask.padding() {
        assert_eq!(
            padding.dims(),
            [batch, keys],
            "attention: the padding mask does not fit the keys"
        );
    }
    #[cfg(feature = "flex")]
    if cpu::serves(&q) {
        let pattern = Pattern {
            padding: mask
                .padding()
                .map(|padding| padding.to_data().iter::<bool>().collect()),
            reach: mask.reach(),
            soft_cap: soft_cap.map(|cap| cap as f32),
            rounding,
        };
        let (q, k, v) = (q.into_dispatch(), k.into_dispatch(), v.into_dispatch());
        return Tensor::from_dispatch(Kernels::attention_fused(q, k, v, pattern));
    }
    let group = heads / key_heads;
    let (k, v) = (repeat_heads(k, group), repeat_heads(v, group));
    let scores = q.matmul(k.transpose()) * (head_dim as f64).powf(-0.5);
    let scores = match soft_cap {
        Some(cap) => (scores / cap).tanh() * cap,
        None => scores,
    };
    let weights = match mask.dense(queries, keys, &scores.device().without_autodiff()) {
        None => activation::softmax(scores, 3),
        Some(hidden) => {
            let hidden = hidden.expand([batch, heads, queries, keys]);
            let low = if scores.dtype() == DType::F16 {
                -6e4
            } else {
                -1e30
            };
            // The second fill empties the queries that no key is left for.
            activation::softmax(scores.mask_fill(hidden.clone(), low), 3).mask_fill(hidden, 0.0)
        }
    };
    weights.matmul(v)
}

/// Repeats each key head for its group of query heads.
fn repeat_heads(x: Tensor<4>, group: usize) -> Tensor<4> {
    if group == 1 {
        return x;
    }
    let [batch, heads, positions, dim] = x.dims();
    x.unsqueeze_dim::<5>(2)
        .expand([batch, heads, group, positions, dim])
        .reshape([batch, heads * group, positions, dim])
}
