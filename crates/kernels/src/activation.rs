//! Element-wise activations.

use burn::tensor::{Tensor, activation};

#[cfg(feature = "flex")]
use crate::cpu::{self, FusedOps, Kernels};

/// Gaussian error linear unit `x Phi(x)` with the exact normal distribution function.
///
/// Source: Hendrycks and Gimpel, <https://arxiv.org/abs/1606.08415>; PyTorch's `gelu(approximate="none")`.
///
/// # Shapes
/// `[..]` -> `[..]`
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if cpu::serves(&x) {
        return Tensor::from_dispatch(Kernels::gelu_fused(x.into_dispatch()));
    }
    // Composed, because the gradient of burn's own operation is that of the tanh form on most backends.
    let distribution = (x.clone() * core::f64::consts::FRAC_1_SQRT_2).erf() + 1.0;
    x * distribution * 0.5
}

/// The tanh approximation of [`gelu`]: `x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`.
///
/// # Shapes
/// `[..]` -> `[..]`
pub fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if cpu::serves(&x) {
        return Tensor::from_dispatch(Kernels::gelu_tanh_fused(x.into_dispatch()));
    }
    /// sqrt(2 / pi)
    const SLOPE: f64 = core::f64::consts::FRAC_2_SQRT_PI * core::f64::consts::FRAC_1_SQRT_2;
    let cube = x.clone() * x.clone() * x.clone();
    let inner = (x.clone() + cube * 0.044715) * SLOPE;
    x * (inner.tanh() + 1.0) * 0.5
}

/// The gate of a gated feed-forward layer: `silu(gate) * up` with `silu(g) = g / (1 + exp(-g))`.
///
/// Source: Shazeer, <https://arxiv.org/abs/2002.05202> (SwiGLU).
///
/// # Shapes
/// `gate [..]`, `up [..]` -> `[..]`
///
/// # Panics
/// When the shapes differ.
pub fn silu_gate<const D: usize>(gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
    assert_eq!(
        gate.dims(),
        up.dims(),
        "silu_gate: gate and up have different shapes"
    );
    #[cfg(feature = "flex")]
    if cpu::serves(&gate) {
        return Tensor::from_dispatch(Kernels::silu_gate_fused(
            gate.into_dispatch(),
            up.into_dispatch(),
        ));
    }
    activation::silu(gate) * up
}
