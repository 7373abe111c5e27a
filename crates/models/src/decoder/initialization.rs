//! Weights to train from scratch, drawn on the host so that a seed gives the same model on every device: normal
//! matrices, no biases, normalisations of scale 1, as transformers initialises its decoders.

use burn::{
    module::Param,
    nn::Linear,
    tensor::{Device, Shape, Tensor, TensorData},
};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

/// Standard deviation of all matrices.
const WEIGHT_STD: f32 = 0.02;

/// A matrix of normal values.
pub(super) fn normal(shape: [usize; 2], rng: &mut impl Rng, device: &Device) -> Param<Tensor<2>> {
    let draw = |_| {
        let value: f32 = StandardNormal.sample(rng);
        WEIGHT_STD * value
    };
    let values: Vec<f32> = (0..shape[0] * shape[1]).map(draw).collect();
    Param::from_data(TensorData::new(values, Shape::from(shape)), device)
}

/// A linear layer without bias.
pub(super) fn linear(inputs: usize, outputs: usize, rng: &mut impl Rng, device: &Device) -> Linear {
    Linear {
        weight: normal([inputs, outputs], rng, device),
        bias: None,
    }
}

/// A vector of one value.
pub(super) fn constant(length: usize, value: f32, device: &Device) -> Param<Tensor<1>> {
    Param::from_data(TensorData::new(vec![value; length], [length]), device)
}
