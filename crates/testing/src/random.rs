//! Seeded numbers.

use burn::tensor::{Device, Distribution, Tensor, TensorData};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};

/// The generator of `seed`.
pub fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// One number of the standard normal distribution.
pub fn normal(rng: &mut impl Rng) -> f32 {
    StandardNormal.sample(rng)
}

/// Uniform numbers in `[-0.5, 0.5)`.
pub fn uniform_matrix(dims: [usize; 2], rng: &mut ChaCha8Rng, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = (0..dims[0] * dims[1])
        .map(|_| (rng.next_u32() >> 8) as f32 / (1u32 << 24) as f32 - 0.5)
        .collect();
    Tensor::from_data(TensorData::new(values, dims), device)
}

/// A matrix of normal numbers on the default device; the same for the same seed.
///
/// # Shapes
/// `[rows, columns]`.
pub fn normal_matrix(rows: usize, columns: usize, seed: u64) -> Tensor<2> {
    let mut rng = rng(seed);
    let values: Vec<f32> = (0..rows * columns).map(|_| normal(&mut rng)).collect();
    Tensor::from_data(TensorData::new(values, [rows, columns]), &Device::default())
}

/// Normal numbers from the generator of the device, which all tests of a process share: for what holds for any input.
pub fn input<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}
