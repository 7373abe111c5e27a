//! Which statistics are kept of a class.

use serde::{Deserialize, Serialize};
use treelora_core::Error;

/// Which statistics are kept of a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum StatisticsConfig {
    /// Mean and full covariance.
    Covariance {
        /// Share of a class's covariance that is replaced by the mean of all classes' when
        /// features are sampled, in `[0, 1]`. A class with one image uses that mean alone.
        #[serde(default = "default_shrinkage")]
        shrinkage: f64,
    },
    /// Mean and variance of each feature.
    Variance {
        /// As for the covariance.
        #[serde(default = "default_shrinkage")]
        shrinkage: f64,
    },
    /// k-means centroids, each with the variance of each feature (HiDe's default, k = 10).
    Centroids {
        /// Centroids a class.
        #[serde(default = "default_centroids")]
        centroids: usize,
    },
}

fn default_shrinkage() -> f64 {
    0.1
}
fn default_centroids() -> usize {
    10
}

impl Default for StatisticsConfig {
    fn default() -> Self {
        Self::Covariance {
            shrinkage: default_shrinkage(),
        }
    }
}

impl StatisticsConfig {
    /// Check the settings.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key of this table.
    pub fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Covariance { shrinkage } | Self::Variance { shrinkage } => {
                match (0.0..=1.0).contains(shrinkage) {
                    true => Ok(()),
                    false => Err(Error::setting(
                        "shrinkage",
                        format!("{shrinkage} is not in [0, 1]"),
                    )),
                }
            }
            Self::Centroids { centroids: 0 } => {
                Err(Error::setting("centroids", "0 is not above 0"))
            }
            Self::Centroids { .. } => Ok(()),
        }
    }
}
