//! Parameters of any layer, seen as the matrix that multiplies rows of inputs.

use burn::tensor::{Shape, Tensor};

/// `[d_in, d_out]` of a parameter of these dimensions, when it can be seen as a matrix: vectors, matrices and the
/// kernels of 2-D convolutions can.
pub(crate) fn matrix_dims(dims: &[usize]) -> Option<[usize; 2]> {
    match *dims {
        // A bias is what a constant input of 1 is multiplied by.
        [d_out] => Some([1, d_out]),
        [d_in, d_out] => Some([d_in, d_out]),
        [d_out, channels, height, width] => Some([channels * height * width, d_out]),
        _ => None,
    }
}

/// The parameter as a matrix `[d_in, d_out]`.
pub(crate) fn as_matrix<const D: usize>(parameter: Tensor<D>) -> Tensor<2> {
    let dims = parameter.dims();
    match D {
        1 => parameter.reshape([1, dims[0]]),
        2 => parameter.reshape([dims[0], dims[1]]),
        _ => {
            let d_in = dims[1..].iter().product();
            parameter.reshape([dims[0], d_in]).transpose()
        }
    }
}

/// The inverse of [`as_matrix`], for a parameter of this shape.
pub(crate) fn from_matrix<const D: usize>(matrix: Tensor<2>, shape: Shape) -> Tensor<D> {
    match D {
        1 | 2 => matrix.reshape(shape),
        _ => matrix.transpose().reshape(shape),
    }
}
