//! Adapters with a B that is not zero, and whether two are the same.

use burn::tensor::Tensor;
use treelora_lora::{AdapterLayer, AdapterSnapshot};

use crate::{
    compare::assert_same,
    random::{rng, uniform_matrix},
};

/// Uniform numbers in `[-0.5, 0.5)` in the layers of `like`.
pub fn random_snapshot(like: &AdapterSnapshot, seed: u64) -> AdapterSnapshot {
    let mut rng = rng(seed);
    let mut random = |like: &Tensor<2>| uniform_matrix(like.dims(), &mut rng, &like.device());
    let layers = like.layers().iter().map(|layer| AdapterLayer {
        path: layer.path.clone(),
        a: random(&layer.a),
        b: random(&layer.b),
        scale: layer.scale,
    });
    AdapterSnapshot::from_layers(layers.collect())
}

/// Equal in every path, scale and bit.
///
/// # Panics
/// When they are not.
pub fn assert_same_snapshot(left: &AdapterSnapshot, right: &AdapterSnapshot) {
    assert_eq!(left.layers().len(), right.layers().len());
    for (left, right) in left.layers().iter().zip(right.layers()) {
        assert_eq!(left.path, right.path);
        assert_eq!(left.scale.to_bits(), right.scale.to_bits());
        assert_same(left.a.clone(), right.a.clone());
        assert_same(left.b.clone(), right.b.clone());
    }
}
