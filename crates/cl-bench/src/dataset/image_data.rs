//! The `[data]` table of an experiment on images.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{DatasetConfig, DatasetError, Rendered, Rendering, Splits};

/// The `[data]` table of an experiment on images: a data set, and the domains that are made of it.
///
/// ```
/// use treelora_cl_bench::dataset::{ImageDataConfig, Rendering};
///
/// let config: ImageDataConfig = toml::from_str(
///     "name = 'procedural'\nclasses = 4\ndomains = ['plain', 'negative']",
/// )?;
/// assert_eq!(config.domains, [Rendering::Plain, Rendering::Negative]);
/// let splits = config.open()?;
/// assert_eq!(splits.train.domain_names(), ["plain", "negative"]);
/// assert_eq!(splits.train.len(), 2 * config.source.open()?.train.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
// Other keys than these are for `source` to refuse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageDataConfig {
    /// The data set, by its `name` and settings.
    #[serde(flatten)]
    pub source: DatasetConfig,
    /// What every picture is seen through, a domain each; the data set as it is when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<Rendering>,
}

impl ImageDataConfig {
    /// Where the files are; `None` when there are none or nobody has said yet.
    pub fn path(&self) -> Option<&Path> {
        self.source.path()
    }

    /// The same, to be changed.
    pub fn path_mut(&mut self) -> Option<&mut PathBuf> {
        self.source.path_mut()
    }

    /// Check what can be checked without the data.
    ///
    /// # Errors
    /// [`DatasetError::Setting`] when a domain occurs twice.
    pub fn validate(&self) -> Result<(), DatasetError> {
        for (second, rendering) in self.domains.iter().enumerate() {
            let mut earlier = self.domains[..second].iter();
            if let Some(first) = earlier.position(|other| other == rendering) {
                return Err(DatasetError::Setting {
                    key: "domains",
                    problem: format!(
                        "`{}` occurs twice, at positions {first} and {second}",
                        rendering.name()
                    ),
                });
            }
        }
        Ok(())
    }

    /// Open or generate both splits, in the domains that are asked for.
    ///
    /// # Errors
    /// As [`validate`](Self::validate) and [`DatasetConfig::open`].
    pub fn open(&self) -> Result<Splits, DatasetError> {
        self.validate()?;
        let splits = self.source.open()?;
        Ok(match self.domains.is_empty() {
            true => splits,
            false => Rendered::splits(splits, &self.domains),
        })
    }
}

impl From<DatasetConfig> for ImageDataConfig {
    /// The data set as it is.
    fn from(source: DatasetConfig) -> Self {
        Self {
            source,
            domains: Vec::new(),
        }
    }
}
