//! Features sampled from class statistics.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use faer::Mat;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::{
    gaussian_component::{Component, Spread, square},
    symmetric::factor_repaired,
};

/// Added to every variance, as HiDe does.
const JITTER: f64 = 1e-4;

/// A Gaussian mixture for each class, ready to be sampled from.
pub struct PseudoFeatures {
    classes: BTreeMap<usize, Vec<Gaussian>>,
    device: Device,
}

/// `x = mean + z * scale` or `x = mean + z L^T`.
struct Gaussian {
    weight: f32,
    mean: Tensor<2>,
    scale: Scale,
    repair: f64,
}

enum Scale {
    /// `[1, features]`.
    Diagonal(Tensor<2>),
    /// `L^T`, `[features, features]`.
    Full(Tensor<2>),
}

impl PseudoFeatures {
    /// Shrink every spread by `shrinkage` towards the mean spread of all components that stand for
    /// more than one example, and factor it. A component of one example takes that mean alone.
    pub(crate) fn new(
        classes: &BTreeMap<usize, Vec<Component>>,
        shrinkage: f64,
        device: &Device,
    ) -> Self {
        let pooled = pooled_spread(classes.values().flatten());
        let gaussians = |components: &Vec<Component>| {
            components
                .iter()
                .map(|component| {
                    let amount = match component.count > 1 {
                        true => shrinkage,
                        false => 1.0,
                    };
                    Gaussian::new(component, &pooled, amount, device)
                })
                .collect()
        };
        Self {
            classes: classes
                .iter()
                .map(|(c, components)| (*c, gaussians(components)))
                .collect(),
            device: device.clone(),
        }
    }

    /// The classes that can be sampled, ascending.
    pub fn classes(&self) -> Vec<usize> {
        self.classes.keys().copied().collect()
    }

    /// Shrinkage towards the identity that was needed, on top of the configured one, to make the
    /// covariance of `class` positive definite (largest over its components); 0 in the regular
    /// case.
    ///
    /// # Panics
    /// When the class was never seen.
    pub fn repair(&self, class: usize) -> f64 {
        self.gaussians(class)
            .iter()
            .map(|g| g.repair)
            .fold(0.0, f64::max)
    }

    /// `count` features of a class, its components in proportion to their examples.
    ///
    /// # Shapes
    /// `[count, features]`.
    ///
    /// # Panics
    /// When the class was never seen or `count` is 0.
    pub fn sample(&self, class: usize, count: usize, rng: &mut impl Rng) -> Tensor<2> {
        let gaussians = self.gaussians(class);
        let total: f32 = gaussians.iter().map(|g| g.weight).sum();
        let mut parts = Vec::new();
        let (mut covered, mut taken) = (0.0, 0);
        for gaussian in gaussians {
            covered += gaussian.weight;
            // Cumulative rounding: the parts add up to `count` for any weights.
            let end = (count as f32 * covered / total).round() as usize;
            if end > taken {
                parts.push(gaussian.sample(end - taken, &self.device, rng));
                taken = end;
            }
        }
        Tensor::cat(parts, 0)
    }

    fn gaussians(&self, class: usize) -> &[Gaussian] {
        self.classes
            .get(&class)
            .unwrap_or_else(|| panic!("class {class} has no statistics"))
    }
}

impl Gaussian {
    fn new(component: &Component, pooled: &Spread, amount: f64, device: &Device) -> Self {
        let dim = component.mean.len();
        let row = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, [1, dim]), device);
        let blend =
            |own: f32, pooled: f32| (1.0 - amount) * f64::from(own) + amount * f64::from(pooled);
        let (scale, repair) = match (&component.spread, pooled) {
            (Spread::Variance(own), Spread::Variance(pooled)) => {
                let deviations = own
                    .iter()
                    .zip(pooled)
                    .map(|(&o, &p)| (blend(o, p) + JITTER).sqrt() as f32)
                    .collect();
                (Scale::Diagonal(row(deviations)), 0.0)
            }
            (Spread::Covariance(own), Spread::Covariance(pooled)) => {
                let blended: Vec<f32> = own
                    .iter()
                    .zip(pooled)
                    .map(|(&o, &p)| blend(o, p) as f32)
                    .collect();
                let mut covariance = square(&blended, dim);
                for i in 0..dim {
                    covariance[(i, i)] += JITTER;
                }
                let (factor, repair) = factor_repaired(&covariance);
                (Scale::Full(transposed(factor.lower(), device)), repair)
            }
            _ => unreachable!("all components of one statistics have the same kind of spread"),
        };
        Self {
            weight: component.count as f32,
            mean: row(component.mean.clone()),
            scale,
            repair,
        }
    }

    fn sample(&self, count: usize, device: &Device, rng: &mut impl Rng) -> Tensor<2> {
        let dim = self.mean.dims()[1];
        let noise: Vec<f32> = (0..count * dim)
            .map(|_| StandardNormal.sample(rng))
            .collect();
        let noise = Tensor::from_data(TensorData::new(noise, [count, dim]), device);
        let spread = match &self.scale {
            Scale::Diagonal(scale) => noise * scale.clone(),
            Scale::Full(factor) => noise.matmul(factor.clone()),
        };
        spread + self.mean.clone()
    }
}

/// Mean spread of the components that stand for more than one example; the identity when there is
/// none, since nothing is known then.
fn pooled_spread<'a>(components: impl Iterator<Item = &'a Component>) -> Spread {
    let components: Vec<&Component> = components.collect();
    let first = components
        .first()
        .expect("statistics of at least one class");
    let spreads: Vec<(&[f32], f64)> = components
        .iter()
        .filter(|c| c.count > 1)
        .map(|c| match &c.spread {
            Spread::Variance(values) | Spread::Covariance(values) => {
                (values.as_slice(), c.count as f64)
            }
        })
        .collect();
    let total: f64 = spreads.iter().map(|(_, n)| n).sum();
    let dim = first.mean.len();
    let len = match &first.spread {
        Spread::Variance(values) | Spread::Covariance(values) => values.len(),
    };
    let values = (0..len)
        .map(|i| match total > 0.0 {
            true => {
                (spreads
                    .iter()
                    .map(|(v, n)| n * f64::from(v[i]))
                    .sum::<f64>()
                    / total) as f32
            }
            false if len == dim || i % (dim + 1) == 0 => 1.0,
            false => 0.0,
        })
        .collect();
    match &first.spread {
        Spread::Variance(_) => Spread::Variance(values),
        Spread::Covariance(_) => Spread::Covariance(values),
    }
}

fn transposed(lower: &Mat<f64>, device: &Device) -> Tensor<2> {
    let dim = lower.nrows();
    // Column-major `L` read row by row is `L^T`.
    let values: Vec<f32> = (0..dim)
        .flat_map(|j| lower.col_as_slice(j).iter().map(|&x| x as f32))
        .collect();
    Tensor::from_data(TensorData::new(values, [dim, dim]), device)
}
