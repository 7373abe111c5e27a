//! Matrices on the host.

use burn::tensor::{DType, Tensor};

/// Values of a matrix in row order.
pub(crate) fn host(tensor: Tensor<2>) -> Vec<f32> {
    let data = tensor.into_data().convert_dtype(DType::F32);
    data.iter::<f32>().collect()
}
