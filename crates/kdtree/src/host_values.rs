//! From the device to the host.

use burn::tensor::{DType, TensorData};

/// Host values of a small result.
pub(crate) fn host_values(data: TensorData) -> Vec<f32> {
    data.convert_dtype(DType::F32)
        .try_into_vec()
        .expect("converted to f32")
}
