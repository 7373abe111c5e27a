//! Normalisations over the last axis.

use burn::tensor::{Tensor, activation};

#[cfg(feature = "flex")]
use crate::cpu::{self, FusedOps, Kernels};

/// Layer normalisation `(x - mean) / sqrt(variance + epsilon) * gamma + beta` over the last axis (biased variance).
///
/// Source: Ba et al., <https://arxiv.org/abs/1607.06450>.
///
/// # Shapes
/// `x [.., d]`, `gamma [d]`, `beta [d]` -> `[.., d]`
///
/// # Panics
/// When `gamma` or `beta` is not as long as the last axis of `x`.
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    assert_width("layer_norm", "gamma", &x, &gamma);
    assert_width("layer_norm", "beta", &x, &beta);
    #[cfg(feature = "flex")]
    if cpu::serves(&x) {
        return Tensor::from_dispatch(Kernels::layer_norm_fused(
            x.into_dispatch(),
            gamma.into_dispatch(),
            beta.into_dispatch(),
            epsilon,
        ));
    }
    let centred = x.clone() - x.mean_dim(D - 1);
    let variance = (centred.clone() * centred.clone()).mean_dim(D - 1);
    centred / (variance + epsilon).sqrt() * gamma.unsqueeze() + beta.unsqueeze()
}

/// Root mean square normalisation `x / sqrt(mean(x^2) + epsilon) * gamma` over the last axis.
///
/// Source: Zhang and Sennrich, <https://arxiv.org/abs/1910.07467>.
///
/// # Shapes
/// `x [.., d]`, `gamma [d]` -> `[.., d]`
///
/// # Panics
/// When `gamma` is not as long as the last axis of `x`.
pub fn rms_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, epsilon: f64) -> Tensor<D> {
    assert_width("rms_norm", "gamma", &x, &gamma);
    #[cfg(feature = "flex")]
    if cpu::serves(&x) {
        return Tensor::from_dispatch(Kernels::rms_norm_fused(
            x.into_dispatch(),
            gamma.into_dispatch(),
            epsilon,
        ));
    }
    let square = (x.clone() * x.clone()).mean_dim(D - 1);
    x / (square + epsilon).sqrt() * gamma.unsqueeze()
}

/// Softmax `exp(x - max) / sum exp(x - max)` over the last axis.
///
/// # Shapes
/// `[.., d]` -> `[.., d]`
pub fn softmax<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if cpu::serves(&x) {
        return Tensor::from_dispatch(Kernels::softmax_fused(x.into_dispatch()));
    }
    activation::softmax(x, D - 1)
}

fn assert_width<const D: usize>(operation: &str, name: &str, x: &Tensor<D>, vector: &Tensor<1>) {
    assert_eq!(
        vector.dims()[0],
        x.dims()[D - 1],
        "{operation}: {name} is not as long as the last axis of x"
    );
}
