//! Sparse update: an adapter that differs from its relatives in few entries (method, step 5).

use burn::tensor::Tensor;

/// The proximal step of the L1 term with a hard threshold: entries within `threshold` of the
/// relative's snap to it, the others stay.
///
/// # Shapes
/// factors and relatives `[layers, features]`.
pub fn snapped(factors: Tensor<2>, relatives: Tensor<2>, threshold: f64) -> Tensor<2> {
    let near = (factors.clone() - relatives.clone())
        .abs()
        .lower_equal_elem(threshold);
    factors.mask_where(near, relatives)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn entries_within_the_threshold_become_the_relatives() {
        let device = Device::flex();
        let factors = Tensor::<2>::from_data([[1.0, 2.0, 3.0]], &device);
        let relatives = Tensor::<2>::from_data([[1.05, 2.5, 3.0]], &device);
        let snapped = snapped(factors, relatives, 0.1);
        let values: Vec<f32> = snapped.into_data().iter::<f32>().collect();
        assert_eq!(values, [1.05, 2.0, 3.0]);
    }
}
