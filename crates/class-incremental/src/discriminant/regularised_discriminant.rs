//! Regularised discriminant analysis (Friedman 1989).

use burn::tensor::{Device, Tensor, TensorData};
use faer::Mat;
use serde::{Deserialize, Serialize};
use treelora_core::{Error, TensorFile};

use super::{Discriminant, Priors, check_finite, plain_device};
use crate::{
    class_gaussians::ClassGaussians,
    feature_rows::FeatureRows,
    feature_transport::FeatureTransport,
    symmetric::{factor_repaired, mean_diagonal},
};

/// Settings of [`RegularisedDiscriminant`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegularisedDiscriminantConfig {
    /// Share of a class's own covariance, the rest being the pooled one, in `[0, 1]`; 0 is LDA, 1
    /// quadratic discriminant analysis.
    pub class_share: f64,
    /// Share of the result that is replaced by the pooled mean variance times the identity, in
    /// `[0, 1]`.
    pub shrinkage: f64,
    /// Prior probabilities of the classes.
    pub priors: Priors,
}

impl Default for RegularisedDiscriminantConfig {
    fn default() -> Self {
        Self {
            class_share: 0.1,
            shrinkage: 0.1,
            priors: Priors::Uniform,
        }
    }
}

impl RegularisedDiscriminantConfig {
    pub(super) fn validate(&self) -> Result<(), Error> {
        let shares = [
            ("class_share", self.class_share),
            ("shrinkage", self.shrinkage),
        ];
        for (name, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                let problem = format!("{share} is not in [0, 1]");
                return Err(Error::setting(name, problem));
            }
        }
        Ok(())
    }
}

/// A Gaussian for each class, with the covariance
/// `C_c = (1 - s) ((1 - b) P + b S_c) + s mean(diag P) I`
/// of its own `S_c`, the pooled `P`, the class share `b` and the shrinkage `s`; scores
/// `ln p_c - ((x - m_c)^T C_c^-1 (x - m_c) + ln det C_c) / 2`.
#[derive(Debug)]
pub struct RegularisedDiscriminant {
    config: RegularisedDiscriminantConfig,
    classes: usize,
    pending: FeatureRows,
    gaussians: ClassGaussians,
    device: Option<Device>,
    fitted: Option<Fitted>,
}

#[derive(Debug)]
struct Fitted {
    /// Mean of the class means, `[1, features]`; subtracted first for accuracy.
    centre: Tensor<2>,
    /// `L_c^-T` of each seen class side by side, `[features, seen * features]`.
    whitening: Tensor<2>,
    /// The whitened class means, `[1, seen * features]`.
    means: Tensor<2>,
    /// `ln p_c - ln det C_c / 2` of the seen classes, `[1, seen]`.
    offset: Tensor<2>,
    /// Seen class to column of the scores, `[seen, classes]`.
    columns: Tensor<2>,
    /// 0 at seen classes, `-inf` elsewhere, `[1, classes]`.
    unseen: Tensor<2>,
    repair: f64,
}

impl RegularisedDiscriminant {
    /// Over at least `classes` classes.
    pub fn new(config: RegularisedDiscriminantConfig, classes: usize) -> Self {
        Self {
            config,
            classes,
            pending: FeatureRows::new(),
            gaussians: ClassGaussians::default(),
            device: None,
            fitted: None,
        }
    }

    /// Largest shrinkage on top of the configured one that the last fit needed to make a class's
    /// covariance positive definite; 0 in the regular case.
    pub fn repair(&self) -> f64 {
        self.fitted.as_ref().map_or(0.0, |fitted| fitted.repair)
    }

    fn fit_on(&self, device: &Device) -> Fitted {
        let gaussians = &self.gaussians.classes;
        let dim = self.gaussians.dim();
        let largest = gaussians.keys().last().map_or(0, |class| class + 1);
        let (seen, classes) = (gaussians.len(), self.classes.max(largest));
        let total: usize = gaussians.values().map(|class| class.count).sum();
        let centre: Vec<f64> = (0..dim)
            .map(|j| gaussians.values().map(|class| class.mean[j]).sum::<f64>() / seen as f64)
            .collect();
        let pooled = self.gaussians.pooled_covariance();
        let level = self.config.shrinkage * mean_diagonal(&pooled);
        let (own, kept) = (self.config.class_share, 1.0 - self.config.shrinkage);

        let mut whitening = vec![0f32; dim * seen * dim];
        let mut means = vec![0f32; seen * dim];
        let mut offset = vec![0f32; seen];
        let mut columns = vec![0f32; seen * classes];
        let mut unseen = vec![f32::NEG_INFINITY; classes];
        let mut repair = 0f64;
        for (k, (&label, class)) in gaussians.iter().enumerate() {
            let (scatter, count) = (class.scatter(), class.count as f64);
            let covariance = Mat::from_fn(dim, dim, |i, j| {
                let blend = (1.0 - own) * pooled[(i, j)] + own * scatter[(i, j)] / count;
                kept * blend + if i == j { level } else { 0.0 }
            });
            let (factor, repaired) = factor_repaired(&covariance);
            repair = repair.max(repaired);
            let inverse = factor.inverse_lower();
            for i in 0..dim {
                for j in 0..=i {
                    // Row i of L^-1 is column i of L^-T.
                    whitening[j * seen * dim + k * dim + i] = inverse[(i, j)] as f32;
                }
                let mean: f64 = (0..=i)
                    .map(|j| inverse[(i, j)] * (class.mean[j] - centre[j]))
                    .sum();
                means[k * dim + i] = mean as f32;
            }
            let prior = match self.config.priors {
                Priors::Uniform => 0.0,
                Priors::Empirical => (count / total as f64).ln(),
            };
            offset[k] = (prior - 0.5 * factor.ln_determinant()) as f32;
            columns[k * classes + label] = 1.0;
            unseen[label] = 0.0;
        }
        let matrix = |values: Vec<f32>, shape: [usize; 2]| {
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        Fitted {
            centre: matrix(centre.iter().map(|&x| x as f32).collect(), [1, dim]),
            whitening: matrix(whitening, [dim, seen * dim]),
            means: matrix(means, [1, seen * dim]),
            offset: matrix(offset, [1, seen]),
            columns: matrix(columns, [seen, classes]),
            unseen: matrix(unseen, [1, classes]),
            repair,
        }
    }
}

impl Discriminant for RegularisedDiscriminant {
    fn observe(&mut self, features: Tensor<2>, labels: &[usize]) {
        self.device = Some(plain_device(&features));
        self.pending.push(features, labels);
    }

    fn fit(&mut self) -> Result<(), Error> {
        self.gaussians.observe(&std::mem::take(&mut self.pending));
        let Some(device) = self.device.as_ref().filter(|_| self.gaussians.dim() > 0) else {
            return Err(Error::Data("no features to fit a discriminant on".into()));
        };
        check_finite(
            self.gaussians
                .classes
                .values()
                .flat_map(|c| c.mean.iter().copied()),
        )?;
        self.fitted = Some(self.fit_on(device));
        Ok(())
    }

    fn scores(&self, features: Tensor<2>) -> Tensor<2> {
        let fitted = self.fitted.as_ref().expect("fit before scores");
        let [rows, dim] = features.dims();
        let seen = fitted.offset.dims()[1];
        let whitened = (features - fitted.centre.clone()).matmul(fitted.whitening.clone());
        let distances = (whitened - fitted.means.clone())
            .square()
            .reshape([rows, seen, dim])
            .sum_dim(2)
            .squeeze_dim::<2>(2);
        let scores = fitted.offset.clone() - distances * 0.5;
        scores.matmul(fitted.columns.clone()) + fitted.unseen.clone()
    }

    fn transport(&mut self, transport: &FeatureTransport) -> Result<(), Error> {
        self.gaussians.transport(transport);
        self.fit()
    }

    fn num_bytes(&self) -> usize {
        self.gaussians.num_bytes()
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) {
        self.gaussians.save(prefix, file);
    }

    fn load(&mut self, prefix: &str, file: &TensorFile, device: &Device) -> Result<(), Error> {
        self.gaussians = ClassGaussians::load(prefix, file)?;
        self.device = Some(device.clone());
        self.fit()
    }
}
