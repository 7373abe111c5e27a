//! The residual stream.

use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use crate::cpu::{self, FusedOps, Kernels};

/// `x + bias + residual`, in one pass over memory.
///
/// # Shapes
/// `x [.., d]`, `bias [d]`, `residual [.., d]` -> `[.., d]`
///
/// # Panics
/// When the shapes do not fit.
pub fn add_bias_residual<const D: usize>(
    x: Tensor<D>,
    bias: Tensor<1>,
    residual: Tensor<D>,
) -> Tensor<D> {
    assert_eq!(
        x.dims(),
        residual.dims(),
        "add_bias_residual: x and residual have different shapes"
    );
    assert_eq!(
        bias.dims()[0],
        x.dims()[D - 1],
        "add_bias_residual: bias is not as long as the last axis"
    );
    #[cfg(feature = "flex")]
    if cpu::serves(&x) {
        let (x, bias, residual) = (
            x.into_dispatch(),
            bias.into_dispatch(),
            residual.into_dispatch(),
        );
        return Tensor::from_dispatch(Kernels::add_bias_residual_fused(x, bias, residual));
    }
    x + bias.unsqueeze() + residual
}
