//! Linear discriminant analysis.

use burn::tensor::{Device, Tensor};
use faer::Mat;
use serde::{Deserialize, Serialize};
use treelora_core::{Error, TensorFile};

use super::{Discriminant, LinearScores, check_finite, plain_device};
use crate::{
    feature_rows::FeatureRows,
    feature_transport::FeatureTransport,
    pooled_gaussian::PooledGaussian,
    symmetric::{factor_repaired, shrink},
};

/// Settings of [`LinearDiscriminant`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinearDiscriminantConfig {
    /// Share of the covariance that is replaced by its mean variance times the identity, in
    /// `[0, 1]`.
    pub shrinkage: f64,
    /// Prior probabilities of the classes.
    pub priors: Priors,
}

impl Default for LinearDiscriminantConfig {
    fn default() -> Self {
        Self {
            shrinkage: 0.1,
            priors: Priors::Uniform,
        }
    }
}

/// Prior probabilities of the classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priors {
    /// The same for all classes seen.
    Uniform,
    /// The share of the class among the training examples.
    Empirical,
}

impl LinearDiscriminantConfig {
    pub(super) fn validate(&self) -> Result<(), Error> {
        match (0.0..=1.0).contains(&self.shrinkage) {
            true => Ok(()),
            false => Err(Error::setting(
                "shrinkage",
                format!("{} is not in [0, 1]", self.shrinkage),
            )),
        }
    }
}

/// Gaussians with one shared covariance: `x^T S^-1 m_c - m_c^T S^-1 m_c / 2 + ln p_c`, the log
/// posterior up to a term without the class.
///
/// The covariance is the pooled scatter around the class means over the number of examples, shrunk
/// as the settings say; where it is still singular it is shrunk further, see
/// [`repair`](Self::repair).
#[derive(Debug)]
pub struct LinearDiscriminant {
    config: LinearDiscriminantConfig,
    classes: usize,
    pending: FeatureRows,
    gaussian: PooledGaussian,
    device: Option<Device>,
    fitted: Option<Fitted>,
}

#[derive(Debug)]
struct Fitted {
    /// Mean of the class means, `[1, features]`: scores are taken relative to it, which keeps
    /// single precision accurate and changes no difference between classes.
    centre: Tensor<2>,
    scores: LinearScores,
    repair: f64,
}

impl LinearDiscriminant {
    /// Over at least `classes` classes.
    pub fn new(config: LinearDiscriminantConfig, classes: usize) -> Self {
        Self {
            config,
            classes,
            pending: FeatureRows::new(),
            gaussian: PooledGaussian::new(),
            device: None,
            fitted: None,
        }
    }

    /// Shrinkage on top of the configured one that the last fit needed to make the covariance
    /// positive definite; 0 in the regular case.
    pub fn repair(&self) -> f64 {
        self.fitted.as_ref().map_or(0.0, |fitted| fitted.repair)
    }
}

impl Discriminant for LinearDiscriminant {
    fn observe(&mut self, features: Tensor<2>, labels: &[usize]) {
        self.device = Some(plain_device(&features));
        self.pending.push(features, labels);
    }

    fn fit(&mut self) -> Result<(), Error> {
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            self.gaussian.observe(&pending);
        }
        let seen = self.gaussian.seen();
        let Some(device) = self.device.as_ref().filter(|_| !seen.is_empty()) else {
            return Err(Error::Data("no features to fit a discriminant on".into()));
        };
        check_finite(self.gaussian.means.iter().flatten().copied())?;
        let dim = self.gaussian.scatter.nrows();
        let centre: Vec<f64> = (0..dim)
            .map(|j| {
                let sum: f64 = seen.iter().map(|&c| self.gaussian.means[c][j]).sum();
                sum / seen.len() as f64
            })
            .collect();
        let means = Mat::from_fn(dim, seen.len(), |i, k| {
            self.gaussian.means[seen[k]][i] - centre[i]
        });
        let covariance = shrink(&self.gaussian.covariance(), self.config.shrinkage);
        let (factor, repair) = factor_repaired(&covariance);
        let mut weight = means.clone();
        factor.solve_in_place(weight.as_mut());

        let total = self.gaussian.counts.iter().sum::<usize>() as f64;
        let classes = self.classes.max(self.gaussian.counts.len());
        let scores = LinearScores::new(dim, classes, &seen, device, |class| {
            let k = seen.partition_point(|&c| c < class);
            let column = weight.col_as_slice(k).to_vec();
            let quadratic: f64 = column
                .iter()
                .zip(means.col_as_slice(k))
                .map(|(w, m)| w * m)
                .sum();
            let prior = match self.config.priors {
                Priors::Uniform => 0.0,
                Priors::Empirical => (self.gaussian.counts[class] as f64 / total).ln(),
            };
            (column, prior - 0.5 * quadratic)
        });
        let centre: Vec<f32> = centre.iter().map(|&x| x as f32).collect();
        self.fitted = Some(Fitted {
            centre: Tensor::<1>::from_floats(centre.as_slice(), device).unsqueeze(),
            scores,
            repair,
        });
        Ok(())
    }

    fn scores(&self, features: Tensor<2>) -> Tensor<2> {
        let fitted = self.fitted.as_ref().expect("fit before scores");
        fitted.scores.of(features - fitted.centre.clone())
    }

    fn transport(&mut self, transport: &FeatureTransport) -> Result<(), Error> {
        self.gaussian.transport(transport);
        self.fit()
    }

    fn num_bytes(&self) -> usize {
        self.gaussian.num_bytes()
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) {
        self.gaussian.save(prefix, file);
    }

    fn load(&mut self, prefix: &str, file: &TensorFile, device: &Device) -> Result<(), Error> {
        self.gaussian = PooledGaussian::load(prefix, file)?;
        self.device = Some(device.clone());
        self.fit()
    }
}
