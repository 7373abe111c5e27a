//! The residual stream.

use burn::tensor::Tensor;

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
    x + bias.unsqueeze() + residual
}
