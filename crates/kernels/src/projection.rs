//! Dense and low-rank projections of the last axis.

use burn::tensor::{Tensor, module};

/// `x weight + bias`.
///
/// # Shapes
/// `x [.., d_in]`, `weight [d_in, d_out]`, `bias [d_out]` -> `[.., d_out]`
///
/// # Panics
/// When the shapes do not fit.
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    module::linear(x, weight, bias)
}

/// A projection with a low-rank update: `x weight + bias + scale (x a) b`, never forming `a b`.
///
/// The backward has no dense weight gradient unless `weight` is tracked, and no gradient of `x` unless `x` is.
/// Source: Hu et al., <https://arxiv.org/abs/2106.09685>.
///
/// # Shapes
/// `x [.., d_in]`, `weight [d_in, d_out]`, `bias [d_out]`, `a [d_in, rank]`, `b [rank, d_out]` -> `[.., d_out]`
///
/// # Panics
/// When the shapes do not fit.
pub fn lora_linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    a: Tensor<2>,
    b: Tensor<2>,
    scale: f64,
) -> Tensor<D> {
    let update = module::linear(module::linear(x.clone(), a, None), b, None);
    module::linear(x, weight, bias) + update * scale
}
