//! Nearest class mean by cosine.

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use treelora_core::{Error, TensorFile};

use super::{Discriminant, LinearScores, check_finite, plain_device};
use crate::{feature_rows::FeatureRows, feature_transport::FeatureTransport};

/// Settings of [`NearestClassMean`]: none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearestClassMeanConfig {}

/// Cosine similarity to each class's mean of features of length 1.
#[derive(Debug)]
pub struct NearestClassMean {
    classes: usize,
    pending: FeatureRows,
    /// Of each class.
    sums: Vec<ClassSum>,
    device: Option<Device>,
    fitted: Option<LinearScores>,
}

/// What is kept of one class; nothing of one without examples.
#[derive(Clone, Debug, Default)]
struct ClassSum {
    /// Number of examples.
    count: usize,
    /// Sum of their norms.
    norms: f64,
    /// Sum of their features, each of length 1.
    directions: Vec<f64>,
}

impl NearestClassMean {
    /// Over at least `classes` classes.
    pub fn new(classes: usize) -> Self {
        Self {
            classes,
            pending: FeatureRows::new(),
            sums: Vec::new(),
            device: None,
            fitted: None,
        }
    }

    fn fold_pending(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        for (i, &class) in pending.labels().iter().enumerate() {
            if class >= self.sums.len() {
                self.sums.resize(class + 1, ClassSum::default());
            }
            let sum = &mut self.sums[class];
            sum.directions.resize(pending.dim(), 0.0);
            let row = pending.row(i);
            let norm = norm(row.iter().map(|&x| f64::from(x)));
            sum.count += 1;
            sum.norms += norm;
            for (to, &x) in sum.directions.iter_mut().zip(row) {
                *to += f64::from(x) / norm;
            }
        }
    }

    fn seen(&self) -> Vec<usize> {
        (0..self.sums.len())
            .filter(|&c| self.sums[c].count > 0)
            .collect()
    }
}

impl Discriminant for NearestClassMean {
    fn observe(&mut self, features: Tensor<2>, labels: &[usize]) {
        self.device = Some(plain_device(&features));
        self.pending.push(features, labels);
    }

    fn fit(&mut self) -> Result<(), Error> {
        self.fold_pending();
        let seen = self.seen();
        let (Some(device), Some(&first)) = (&self.device, seen.first()) else {
            return Err(Error::Data("no features to fit class means on".into()));
        };
        check_finite(self.sums.iter().flat_map(|s| s.directions.iter().copied()))?;
        let dim = self.sums[first].directions.len();
        let classes = self.classes.max(self.sums.len());
        self.fitted = Some(LinearScores::new(dim, classes, &seen, device, |class| {
            let sum = &self.sums[class].directions;
            let norm = norm(sum.iter().copied());
            (sum.iter().map(|x| x / norm).collect(), 0.0)
        }));
        Ok(())
    }

    fn scores(&self, features: Tensor<2>) -> Tensor<2> {
        let fitted = self.fitted.as_ref().expect("fit before scores");
        let norm = features
            .clone()
            .square()
            .sum_dim(1)
            .sqrt()
            .clamp_min(f32::MIN_POSITIVE);
        fitted.of(features / norm)
    }

    /// The mean of a class is taken as its mean direction at the mean norm.
    fn transport(&mut self, transport: &FeatureTransport) -> Result<(), Error> {
        for sum in self.sums.iter_mut().filter(|sum| sum.count > 0) {
            let count = sum.count as f64;
            let length = sum.norms / count;
            let mean: Vec<f64> = sum.directions.iter().map(|x| x / count * length).collect();
            let moved = transport.point(&mean);
            sum.directions = moved.iter().map(|x| x * count / length).collect();
        }
        self.fit()
    }

    fn num_bytes(&self) -> usize {
        self.sums
            .iter()
            .map(|sum| 2 + sum.directions.len())
            .sum::<usize>()
            * size_of::<f64>()
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) {
        let seen: Vec<&ClassSum> = self.sums.iter().filter(|sum| sum.count > 0).collect();
        let dim = seen.first().map_or(0, |sum| sum.directions.len());
        let norms: Vec<f64> = seen.iter().map(|sum| sum.norms).collect();
        let sums: Vec<f64> = seen.iter().flat_map(|sum| sum.directions.clone()).collect();
        file.insert_indices(
            format!("{prefix}.counts"),
            self.sums.iter().map(|s| s.count),
        );
        file.insert_f64(format!("{prefix}.norms"), norms, [seen.len()]);
        file.insert_f64(format!("{prefix}.sums"), sums, [seen.len(), dim]);
    }

    fn load(&mut self, prefix: &str, file: &TensorFile, device: &Device) -> Result<(), Error> {
        let counts = file.indices(&format!("{prefix}.counts"))?;
        let norms = file.f64s(&format!("{prefix}.norms"))?;
        let sums = file.f64s(&format!("{prefix}.sums"))?;
        let seen = counts.iter().filter(|count| **count > 0).count();
        if seen == 0 || norms.len() != seen || sums.len() % seen != 0 {
            let problem = format!(
                "`{prefix}`: {} norms and {} values of class means do not fit {seen} classes",
                norms.len(),
                sums.len()
            );
            return Err(file.unfit(problem).into());
        }
        let dim = sums.len() / seen;
        let mut rows = norms.into_iter().zip(sums.chunks_exact(dim.max(1)));
        let class = |count| match count {
            0 => ClassSum::default(),
            _ => {
                let (norms, directions) = rows.next().unwrap_or_default();
                ClassSum {
                    count,
                    norms,
                    directions: directions.to_vec(),
                }
            }
        };
        self.sums = counts.into_iter().map(class).collect();
        self.device = Some(device.clone());
        self.fit()
    }
}

/// Length of a vector, never 0.
fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values
        .map(|x| x * x)
        .sum::<f64>()
        .sqrt()
        .max(f64::MIN_POSITIVE)
}
