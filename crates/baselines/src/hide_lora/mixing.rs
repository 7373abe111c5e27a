//! The finished adapter of a task, mixed with those of the tasks before it.

use burn::{module::Module, tensor::Tensor};
use treelora_lora::{AdapterLayer, AdapterSnapshot};

use crate::kept_adapters::KeptAdapters;

/// The adapter of `model` as it is kept: `theta_t <- (1 - m) theta_t + m mean(theta_1..theta_t-1)` with the momentum
/// `m`, A and B each on its own; as it is where nothing is kept yet.
pub(super) fn mixed<M: Module>(
    model: &M,
    earlier: &KeptAdapters,
    momentum: f64,
) -> AdapterSnapshot {
    let own = AdapterSnapshot::of(model);
    if earlier.is_empty() || momentum == 0.0 {
        return own;
    }
    let mean = |layer: usize, factor: fn(&AdapterLayer) -> &Tensor<2>| {
        let factors = earlier.adapters();
        let factors = factors.map(|old| factor(&old.layers()[layer]).clone());
        let sum = factors.reduce(|left, right| left + right);
        sum.expect("an earlier task") / earlier.len() as f64
    };
    let mix = |own: &Tensor<2>, mean: Tensor<2>| own.clone() * (1.0 - momentum) + mean * momentum;
    let layers = own
        .layers()
        .iter()
        .enumerate()
        .map(|(i, layer)| AdapterLayer {
            path: layer.path.clone(),
            a: mix(&layer.a, mean(i, |old| &old.a)),
            b: mix(&layer.b, mean(i, |old| &old.b)),
            scale: layer.scale,
        });
    AdapterSnapshot::from_layers(layers.collect())
}
