//! Which discriminant, as a setting.

use serde::{Deserialize, Serialize};
use treelora_core::Error;

use super::{
    Discriminant, LinearDiscriminant, LinearDiscriminantConfig, NearestClassMean,
    NearestClassMeanConfig, RandomProjection, RandomProjectionConfig, RegularisedDiscriminant,
    RegularisedDiscriminantConfig,
};
use crate::feature_transport::TransportConfig;

/// Which discriminant, and its settings.
///
/// ```
/// use treelora_class_incremental::DiscriminantConfig;
///
/// let config: DiscriminantConfig = serde_json::from_str(
///     r#"{ "kind": "random-projection", "projections": 2000 }"#,
/// )?;
/// let discriminant = config.build(100)?;
/// # let _ = discriminant;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DiscriminantConfig {
    /// The class whose mean is nearest by cosine.
    NearestClassMean(NearestClassMeanConfig),
    /// Linear discriminant analysis: Gaussians with one shared covariance.
    Lda(LinearDiscriminantConfig),
    /// Gaussians with covariances between their own and the shared one.
    Rda(RegularisedDiscriminantConfig),
    /// Ridge regression on random ReLU features (RanPAC).
    RandomProjection(RandomProjectionConfig),
}

impl DiscriminantConfig {
    /// Check the settings; `key` is the path they are found under.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key of this table.
    pub fn validate(&self) -> Result<(), Error> {
        match self {
            Self::NearestClassMean(_) => Ok(()),
            Self::Lda(config) => config.validate(),
            Self::Rda(config) => config.validate(),
            Self::RandomProjection(config) => config.validate(),
        }
    }

    /// Check a transport of what this discriminant keeps.
    ///
    /// # Errors
    /// [`Error::Setting`] at `transport` or a key below it.
    pub(crate) fn validate_transport(
        &self,
        transport: Option<&TransportConfig>,
    ) -> Result<(), Error> {
        let Some(transport) = transport else {
            return Ok(());
        };
        transport.validate().map_err(|e| e.within("transport"))?;
        match self {
            Self::RandomProjection(_) => Err(Error::setting(
                "transport",
                "random projections keep no class means that a drift could be applied to",
            )),
            _ => Ok(()),
        }
    }

    /// The discriminant over at least `classes` classes, with nothing observed.
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub fn build(&self, classes: usize) -> Result<Box<dyn Discriminant>, Error> {
        self.validate()?;
        Ok(match self {
            Self::NearestClassMean(_) => Box::new(NearestClassMean::new(classes)),
            Self::Lda(config) => Box::new(LinearDiscriminant::new(config.clone(), classes)),
            Self::Rda(config) => Box::new(RegularisedDiscriminant::new(config.clone(), classes)),
            Self::RandomProjection(config) => {
                Box::new(RandomProjection::new(config.clone(), classes))
            }
        })
    }
}
