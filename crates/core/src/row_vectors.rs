//! Vectors that all rows of a batch share, or one for each.

use burn::tensor::Tensor;

/// One vector a row, from one for all rows or one for each.
///
/// # Panics
/// When rows or width do not fit.
pub(crate) fn for_batch(x: Tensor<3>, batch: usize, width: usize) -> Tensor<3> {
    let [rows, length, features] = x.dims();
    assert!(
        features == width && (rows == 1 || rows == batch),
        "{rows} rows of width {features} in front of {batch} rows of width {width}"
    );
    match rows == batch {
        true => x,
        false => x.expand([batch, length, width]),
    }
}
