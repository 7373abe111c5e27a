//! Drift compensation: move old class statistics into the feature space of the new adapter.

use faer::Mat;
use serde::{Deserialize, Serialize};
use treelora_core::Error;

use crate::{
    feature_rows::FeatureRows,
    symmetric::{factor_repaired, mean_diagonal, product},
};

/// How the drift is estimated, from the features that the current task's images have under the
/// old and under the new adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TransportConfig {
    /// One shift for all points: the mean of the differences.
    MeanShift,
    /// Semantic drift compensation (Yu et al., CVPR 2020): each point moves by the mean of the
    /// differences, weighted by a Gaussian kernel around the point.
    KernelShift {
        /// Standard deviation of the kernel in units of the mean distance between the images'
        /// features and their centre.
        #[serde(default = "default_bandwidth")]
        bandwidth: f64,
    },
    /// Learnable drift compensation (Gomez-Villa et al., ECCV 2024) in closed form: an affine map
    /// by least squares, with a ridge that pulls the linear part to the identity.
    Linear {
        /// Ridge in units of the mean diagonal of `X^T X`.
        #[serde(default = "default_ridge")]
        ridge: f64,
    },
}

fn default_bandwidth() -> f64 {
    0.5
}
fn default_ridge() -> f64 {
    1.0
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self::Linear {
            ridge: default_ridge(),
        }
    }
}

impl TransportConfig {
    /// Check the settings.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key of this table.
    pub fn validate(&self) -> Result<(), Error> {
        let (name, value) = match self {
            Self::MeanShift => return Ok(()),
            Self::KernelShift { bandwidth } => ("bandwidth", *bandwidth),
            Self::Linear { ridge } => ("ridge", *ridge),
        };
        match value > 0.0 && value.is_finite() {
            true => Ok(()),
            false => Err(Error::setting(name, format!("{value} is not above 0"))),
        }
    }
}

/// A map from the old feature space to the new one.
#[derive(Clone, Debug)]
pub struct FeatureTransport {
    map: Map,
}

#[derive(Clone, Debug)]
enum Map {
    Shift(Vec<f64>),
    Kernel {
        before: Mat<f64>,
        difference: Mat<f64>,
        variance: f64,
    },
    /// `y = to + matrix^T (x - from)`.
    Affine {
        from: Vec<f64>,
        to: Vec<f64>,
        matrix: Mat<f64>,
    },
}

impl FeatureTransport {
    /// Fit the map on features of the same images before and after.
    ///
    /// # Panics
    /// When the two differ in shape or hold no row.
    pub fn fit(config: &TransportConfig, before: &FeatureRows, after: &FeatureRows) -> Self {
        assert_eq!(before.len(), after.len(), "features of different images");
        assert_eq!(
            before.dim(),
            after.dim(),
            "feature spaces of different width"
        );
        assert!(!before.is_empty(), "no image to fit a transport on");
        let (x, y) = (before.matrix(), after.matrix());
        let (from, to) = (column_means(&x), column_means(&y));
        let map = match config {
            TransportConfig::MeanShift => {
                Map::Shift(to.iter().zip(&from).map(|(a, b)| a - b).collect())
            }
            TransportConfig::KernelShift { bandwidth } => {
                let distance = (0..x.nrows())
                    .map(|i| squared_distance(&x, i, &from).sqrt())
                    .sum::<f64>()
                    / x.nrows() as f64;
                Map::Kernel {
                    variance: (bandwidth * distance).powi(2).max(f64::MIN_POSITIVE),
                    difference: &y - &x,
                    before: x,
                }
            }
            TransportConfig::Linear { ridge } => {
                let matrix = affine_part(&centred(x, &from), &centred(y, &to), *ridge);
                Map::Affine { from, to, matrix }
            }
        };
        Self { map }
    }

    /// Where a point of the old space lies in the new one.
    ///
    /// # Panics
    /// When the point has another width than the features.
    pub fn point(&self, point: &[f64]) -> Vec<f64> {
        match &self.map {
            Map::Shift(shift) => point.iter().zip(shift).map(|(a, b)| a + b).collect(),
            Map::Kernel {
                before,
                difference,
                variance,
            } => {
                let exponents: Vec<f64> = (0..before.nrows())
                    .map(|i| -squared_distance(before, i, point) / (2.0 * variance))
                    .collect();
                // Far from every image all weights underflow; relative to the nearest one does not.
                let largest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = exponents.iter().map(|e| (e - largest).exp()).collect();
                let total: f64 = weights.iter().sum();
                (0..point.len())
                    .map(|j| {
                        let moved: f64 = weights
                            .iter()
                            .zip(difference.col(j).iter())
                            .map(|(w, d)| w * d)
                            .sum();
                        point[j] + moved / total
                    })
                    .collect()
            }
            Map::Affine { from, to, matrix } => (0..to.len())
                .map(|j| {
                    let moved: f64 = (0..from.len())
                        .map(|i| matrix[(i, j)] * (point[i] - from[i]))
                        .sum();
                    to[j] + moved
                })
                .collect(),
        }
    }

    /// A covariance (or scatter) in the new space; shifts leave it as it is.
    pub(crate) fn covariance(&self, covariance: &Mat<f64>) -> Mat<f64> {
        match &self.map {
            Map::Shift(_) | Map::Kernel { .. } => covariance.clone(),
            Map::Affine { matrix, .. } => {
                let half = product(covariance.as_ref(), matrix.as_ref());
                product(matrix.transpose(), half.as_ref())
            }
        }
    }
}

/// `I + (X^T X + lambda I)^-1 X^T (Y - X)`: least squares with a ridge towards the identity.
fn affine_part(x: &Mat<f64>, y: &Mat<f64>, ridge: f64) -> Mat<f64> {
    let mut gram = product(x.transpose(), x.as_ref());
    let level = ridge * mean_diagonal(&gram);
    for i in 0..gram.nrows() {
        gram[(i, i)] += level;
    }
    let difference = y - x;
    let mut matrix = product(x.transpose(), difference.as_ref());
    factor_repaired(&gram).0.solve_in_place(matrix.as_mut());
    for i in 0..matrix.nrows() {
        matrix[(i, i)] += 1.0;
    }
    matrix
}

fn column_means(matrix: &Mat<f64>) -> Vec<f64> {
    let n = matrix.nrows() as f64;
    (0..matrix.ncols())
        .map(|j| matrix.col(j).iter().sum::<f64>() / n)
        .collect()
}

fn centred(matrix: Mat<f64>, means: &[f64]) -> Mat<f64> {
    Mat::from_fn(matrix.nrows(), matrix.ncols(), |i, j| {
        matrix[(i, j)] - means[j]
    })
}

fn squared_distance(matrix: &Mat<f64>, row: usize, point: &[f64]) -> f64 {
    (0..matrix.ncols())
        .map(|j| (matrix[(row, j)] - point[j]).powi(2))
        .sum()
}
