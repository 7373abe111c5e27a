//! Weights to train from scratch, drawn on the host so that a seed gives the same model on every
//! device. timm's scheme: linear weights and position embeddings from a truncated normal, biases
//! zero, the patch embedding uniform as a PyTorch convolution.

use burn::{
    module::Param,
    nn::Linear,
    tensor::{Device, Shape, Tensor, TensorData},
};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

/// Standard deviation of linear weights and position embeddings.
pub(crate) const WEIGHT_STD: f32 = 0.02;

/// Standard deviation of the class token.
pub(crate) const CLASS_TOKEN_STD: f32 = 1e-6;

/// A classification head: weights normal with deviation `std` (0 for all zero), bias zero.
///
/// # Shapes
/// weight `[features, classes]`, bias `[classes]`.
pub fn head(
    features: usize,
    classes: usize,
    std: f32,
    rng: &mut impl Rng,
    device: &Device,
) -> Linear {
    Linear {
        weight: truncated_normal([features, classes], std, rng, device),
        bias: Some(constant(classes, 0.0, device)),
    }
}

/// A linear layer `[inputs, outputs]` with a zero bias.
pub(crate) fn linear(inputs: usize, outputs: usize, rng: &mut impl Rng, device: &Device) -> Linear {
    head(inputs, outputs, WEIGHT_STD, rng, device)
}

/// A linear layer without bias.
pub(crate) fn linear_without_bias(
    inputs: usize,
    outputs: usize,
    rng: &mut impl Rng,
    device: &Device,
) -> Linear {
    Linear {
        weight: truncated_normal([inputs, outputs], WEIGHT_STD, rng, device),
        bias: None,
    }
}

/// A linear layer whose weights and bias are uniform within `1 / sqrt(inputs)`.
pub(crate) fn uniform_linear(
    inputs: usize,
    outputs: usize,
    rng: &mut impl Rng,
    device: &Device,
) -> Linear {
    let bound = 1.0 / (inputs as f32).sqrt();
    let mut draw = || rng.random_range(-bound..=bound);
    Linear {
        weight: parameter([inputs, outputs], &mut draw, device),
        bias: Some(parameter([outputs], &mut draw, device)),
    }
}

/// A parameter of normal values, redrawn beyond two standard deviations.
pub(crate) fn truncated_normal<const D: usize>(
    shape: [usize; D],
    std: f32,
    rng: &mut impl Rng,
    device: &Device,
) -> Param<Tensor<D>> {
    let draw = || {
        loop {
            let value: f32 = StandardNormal.sample(rng);
            if value.abs() <= 2.0 {
                return std * value;
            }
        }
    };
    parameter(shape, draw, device)
}

/// A vector of one value.
pub(crate) fn constant(length: usize, value: f32, device: &Device) -> Param<Tensor<1>> {
    parameter([length], || value, device)
}

fn parameter<const D: usize>(
    shape: [usize; D],
    mut draw: impl FnMut() -> f32,
    device: &Device,
) -> Param<Tensor<D>> {
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| draw()).collect();
    Param::from_data(TensorData::new(values, Shape::from(shape)), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn truncated_normal_has_its_deviation_and_bound_and_follows_the_seed() {
        let device = Device::flex();
        let draw = |seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            truncated_normal([100, 100], 0.5, &mut rng, &device).val()
        };
        let values = draw(1);
        assert!(values.clone().abs().max().into_scalar::<f32>() <= 1.0);
        // A normal cut at two deviations keeps 0.8796 of its deviation.
        let std = values
            .clone()
            .powf_scalar(2.0)
            .mean()
            .sqrt()
            .into_scalar::<f32>();
        assert!((std - 0.44).abs() < 0.01, "{std}");
        assert_eq!(values.clone().into_data(), draw(1).into_data());
        assert_ne!(values.into_data(), draw(2).into_data());
    }

    #[test]
    fn a_head_of_deviation_zero_is_zero() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let head = head(4, 3, 0.0, &mut rng, &Device::flex());
        assert_eq!(head.weight.dims(), [4, 3]);
        assert_eq!(head.weight.val().abs().max().into_scalar::<f32>(), 0.0);
    }
}
