//! What tensors hold, and whether two hold the same.

use burn::tensor::{Tensor, TensorData};

/// Row-major values, whether in a graph or not.
///
/// # Panics
/// When the values are no floats.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let values = tensor.inner().try_into_vec_as::<f32>();
    values.expect("a tensor of floats")
}

/// The column of the largest score of each row, the last on ties.
///
/// # Panics
/// Without columns.
pub fn answers(scores: Tensor<2>) -> Vec<usize> {
    let classes = scores.dims()[1];
    values(scores)
        .chunks_exact(classes)
        .map(|row| {
            let best = (0..classes).max_by(|&a, &b| row[a].total_cmp(&row[b]));
            best.expect("a score a class")
        })
        .collect()
}

/// The bits of the values of an `f32` tensor.
///
/// # Panics
/// When the data is of another type.
pub fn bits(data: TensorData) -> Vec<u32> {
    let values = data.try_to_vec::<f32>().expect("data of f32");
    values.into_iter().map(f32::to_bits).collect()
}

/// Equal up to rounding, which grows with the largest of the numbers that are summed.
///
/// # Panics
/// When they are not.
pub fn assert_close<const D: usize>(left: Tensor<D>, right: Tensor<D>) {
    assert_eq!(left.dims(), right.dims());
    let (left, right) = (values(left), values(right));
    let largest = left
        .iter()
        .fold(1.0, |largest: f32, l| largest.max(l.abs()));
    for (l, r) in left.iter().zip(&right) {
        assert!((l - r).abs() <= 1e-5 * largest, "{l} and {r}");
    }
}

/// Equal in every bit.
///
/// # Panics
/// When they are not.
pub fn assert_same<const D: usize>(left: Tensor<D>, right: Tensor<D>) {
    assert_eq!(left.dims(), right.dims());
    assert_eq!(bits(left.into_data()), bits(right.into_data()));
}

/// Whether a bit differs.
pub fn differ<const D: usize>(left: Tensor<D>, right: Tensor<D>) -> bool {
    bits(left.into_data()) != bits(right.into_data())
}
