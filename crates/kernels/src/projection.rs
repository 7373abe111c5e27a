//! Dense and low-rank projections of the last axis.

use burn::tensor::{Tensor, module};

use crate::Dropout;

#[cfg(feature = "flex")]
use crate::cpu::{self, FusedOps, Kernels};

/// `x weight + bias`.
///
/// A frozen weight may be bf16 while `x` is f32, which halves its memory: where the processor multiplies bf16 (AMX
/// tiles or AVX-512 BF16) the fused kernel rounds `x` to bf16 too and sums in f32, elsewhere the weight is widened as it
/// is read.
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
    #[cfg(feature = "flex")]
    if cpu::serves(&x) && cpu::multiplies(&weight) {
        assert_fits("linear", &x, &weight, bias.as_ref());
        let bias = bias.unwrap_or_else(|| Tensor::empty([0], &x.device()));
        let (x, weight, bias) = (
            x.into_dispatch(),
            weight.into_dispatch(),
            bias.into_dispatch(),
        );
        return Tensor::from_dispatch(Kernels::linear_fused(x, weight, bias));
    }
    let weight = weight.cast(x.dtype());
    module::linear(x, weight, bias)
}

/// A projection with a low-rank update: `x weight + bias + scale (x a) b`, never forming `a b`.
///
/// The backward has no dense weight gradient unless `weight` is tracked, and no gradient of `x` unless `x` is. As in
/// [`linear`], a frozen `weight` may be bf16; the adapter is multiplied in f32.
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
    with_dropout(x, weight, bias, [a, b], scale, None)
}

/// As [`lora_linear`], with numbers of `x` dropped on the way into `a`: `x weight + bias + scale (dropout(x) a) b`.
///
/// The backward makes the mask again from its seed.
///
/// # Shapes / # Panics
/// As [`lora_linear`].
pub fn lora_linear_with_dropout<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    a: Tensor<2>,
    b: Tensor<2>,
    scale: f64,
    dropout: Dropout,
) -> Tensor<D> {
    with_dropout(x, weight, bias, [a, b], scale, Some(dropout))
}

fn with_dropout<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    [a, b]: [Tensor<2>; 2],
    scale: f64,
    dropout: Option<Dropout>,
) -> Tensor<D> {
    assert_eq!(
        a.dims()[0],
        weight.dims()[0],
        "lora_linear: a does not take the inputs of the weight"
    );
    assert_eq!(
        b.dims(),
        [a.dims()[1], weight.dims()[1]],
        "lora_linear: b does not fit a and the weight"
    );
    #[cfg(feature = "flex")]
    if cpu::serves(&x) && cpu::multiplies(&weight) {
        assert_fits("lora_linear", &x, &weight, bias.as_ref());
        let bias = bias.unwrap_or_else(|| Tensor::empty([0], &x.device()));
        let (x, weight, bias) = (
            x.into_dispatch(),
            weight.into_dispatch(),
            bias.into_dispatch(),
        );
        let (a, b) = (a.into_dispatch(), b.into_dispatch());
        return Tensor::from_dispatch(Kernels::lora_linear_fused(
            x, weight, bias, a, b, scale, dropout,
        ));
    }
    let inputs = x.clone().cast(a.dtype());
    let inputs = match dropout {
        Some(dropout) => dropout.apply(inputs),
        None => inputs,
    };
    let update = module::linear(module::linear(inputs, a, None), b, None) * scale;
    let weight = weight.cast(x.dtype());
    let output = module::linear(x, weight, bias);
    let update = update.cast(output.dtype());
    output + update
}

#[cfg(feature = "flex")]
fn assert_fits<const D: usize>(
    operation: &str,
    x: &Tensor<D>,
    weight: &Tensor<2>,
    bias: Option<&Tensor<1>>,
) {
    let [d_in, d_out] = weight.dims();
    assert_eq!(
        x.dims()[D - 1],
        d_in,
        "{operation}: the last axis of x is not that of the weight"
    );
    if let Some(bias) = bias {
        assert_eq!(
            bias.dims()[0],
            d_out,
            "{operation}: the bias is not as long as the outputs"
        );
    }
}
