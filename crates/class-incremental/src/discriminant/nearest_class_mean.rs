//! Nearest class mean by cosine.

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use treelora_core::{Error, TensorFile};

use super::{Discriminant, LinearScores, check_finite, plain_device};
use crate::{double_precision, feature_rows::FeatureRows, feature_transport::FeatureTransport};

/// Settings of [`NearestClassMean`]: none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearestClassMeanConfig {}

/// Cosine similarity to each class's mean of features of length 1.
#[derive(Debug)]
pub struct NearestClassMean {
    classes: usize,
    pending: FeatureRows,
    /// Of each class: number of examples, sum of their norms, sum of the features of length 1.
    sums: Vec<(f64, f64, Vec<f64>)>,
    device: Option<Device>,
    fitted: Option<LinearScores>,
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
                self.sums.resize(class + 1, (0.0, 0.0, Vec::new()));
            }
            let (count, norms, sum) = &mut self.sums[class];
            sum.resize(pending.dim(), 0.0);
            let row = pending.row(i);
            let norm = norm(row.iter().map(|&x| f64::from(x)));
            *count += 1.0;
            *norms += norm;
            for (to, &x) in sum.iter_mut().zip(row) {
                *to += f64::from(x) / norm;
            }
        }
    }

    fn seen(&self) -> Vec<usize> {
        (0..self.sums.len())
            .filter(|&c| self.sums[c].0 > 0.0)
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
        check_finite(self.sums.iter().flat_map(|(_, _, sum)| sum.iter().copied()))?;
        let dim = self.sums[first].2.len();
        let classes = self.classes.max(self.sums.len());
        self.fitted = Some(LinearScores::new(dim, classes, &seen, device, |class| {
            let sum = &self.sums[class].2;
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
        for (count, norms, sum) in self.sums.iter_mut().filter(|(count, ..)| *count > 0.0) {
            let length = *norms / *count;
            let mean: Vec<f64> = sum.iter().map(|x| x / *count * length).collect();
            let moved = transport.point(&mean);
            *sum = moved.iter().map(|x| x * *count / length).collect();
        }
        self.fit()
    }

    fn num_bytes(&self) -> usize {
        self.sums
            .iter()
            .map(|(_, _, sum)| 2 + sum.len())
            .sum::<usize>()
            * size_of::<f64>()
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) {
        let counts: Vec<f64> = self
            .sums
            .iter()
            .flat_map(|(n, norms, _)| [*n, *norms])
            .collect();
        let sums: Vec<f64> = self
            .sums
            .iter()
            .flat_map(|(_, _, sum)| sum.clone())
            .collect();
        double_precision::insert(file, &format!("{prefix}.counts"), &counts);
        double_precision::insert(file, &format!("{prefix}.sums"), &sums);
    }

    fn load(&mut self, prefix: &str, file: &TensorFile, device: &Device) -> Result<(), Error> {
        let counts = double_precision::read(file, &format!("{prefix}.counts"))?;
        let sums = double_precision::read(file, &format!("{prefix}.sums"))?;
        let seen = counts.chunks_exact(2).filter(|pair| pair[0] > 0.0).count();
        if counts.len() % 2 != 0 || seen == 0 || sums.len() % seen != 0 {
            return Err(Error::Data(format!(
                "`{prefix}`: {} values of class means do not fit {seen} classes",
                sums.len()
            )));
        }
        let mut rows = sums.chunks_exact(sums.len() / seen);
        self.sums = counts
            .chunks_exact(2)
            .map(|pair| match pair[0] > 0.0 {
                true => (pair[0], pair[1], rows.next().unwrap_or_default().to_vec()),
                false => (0.0, 0.0, Vec::new()),
            })
            .collect();
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
