//! Several adapters into one.

use burn::tensor::Tensor;

use crate::{
    error::LoraError,
    snapshot::{AdapterLayer, AdapterSnapshot},
};

impl AdapterSnapshot {
    /// The mean of the factors of several adapters: for adapters that grew from one start, where the factors
    /// correspond. The rank stays.
    ///
    /// # Errors
    /// As [`weighted`](Self::weighted).
    pub fn mean(adapters: &[&Self]) -> Result<Self, LoraError> {
        let weight = 1.0 / adapters.len() as f64;
        Self::weighted(
            &adapters
                .iter()
                .map(|&adapter| (adapter, weight))
                .collect::<Vec<_>>(),
        )
    }

    /// The weighted sum of the factors, `A = sum w_i A_i` and `B = sum w_i B_i`. The rank stays.
    ///
    /// # Errors
    /// When layers, shapes or scales differ, or when there is no adapter.
    pub fn weighted(adapters: &[(&Self, f64)]) -> Result<Self, LoraError> {
        combined(adapters, |first, layers| {
            for (layer, _) in layers {
                if (layer.a.dims(), layer.b.dims()) != (first.a.dims(), first.b.dims()) {
                    let (found, expected) = (layer.a.dims(), first.a.dims());
                    let problem = format!("a of {found:?} and of {expected:?} have no sum");
                    return Err(LoraError::layer(&first.path, problem));
                }
                if layer.scale != first.scale {
                    let problem = format!("scales {} and {} differ", layer.scale, first.scale);
                    return Err(LoraError::layer(&first.path, problem));
                }
            }
            let sum = |factor: fn(&AdapterLayer) -> &Tensor<2>| {
                let zeros = factor(first).zeros_like();
                layers.iter().fold(zeros, |sum, (layer, weight)| {
                    sum + factor(layer).clone() * *weight
                })
            };
            Ok(AdapterLayer {
                path: first.path.clone(),
                a: sum(|layer| &layer.a),
                b: sum(|layer| &layer.b),
                scale: first.scale,
            })
        })
    }

    /// The adapter whose update is exactly `sum w_i scale_i A_i B_i`: factors side by side, so ranks add up.
    ///
    /// # Errors
    /// When the layers differ, or when there is no adapter.
    pub fn stacked(adapters: &[(&Self, f64)]) -> Result<Self, LoraError> {
        combined(adapters, |first, layers| {
            let a = layers.iter().map(|(layer, _)| layer.a.clone()).collect();
            let b = layers
                .iter()
                .map(|(layer, weight)| layer.b.clone() * (layer.scale * weight));
            Ok(AdapterLayer {
                path: first.path.clone(),
                a: Tensor::cat(a, 1),
                b: Tensor::cat(b.collect(), 0),
                scale: 1.0,
            })
        })
    }
}

/// One layer from the layers of equal path, for each path.
fn combined(
    adapters: &[(&AdapterSnapshot, f64)],
    combine: impl Fn(&AdapterLayer, &[(&AdapterLayer, f64)]) -> Result<AdapterLayer, LoraError>,
) -> Result<AdapterSnapshot, LoraError> {
    let Some((first, _)) = adapters.first() else {
        return Err(LoraError::NoAdapters);
    };
    for (adapter, _) in adapters {
        adapter
            .layers()
            .iter()
            .try_for_each(|layer| first.layer(&layer.path).map(drop))?;
    }
    let layers = first.layers().iter().map(|layer| {
        let same: Vec<(&AdapterLayer, f64)> = adapters
            .iter()
            .map(|(adapter, weight)| Ok((adapter.layer(&layer.path)?, *weight)))
            .collect::<Result<_, LoraError>>()?;
        combine(layer, &same)
    });
    Ok(AdapterSnapshot::from_layers(
        layers.collect::<Result<_, _>>()?,
    ))
}
