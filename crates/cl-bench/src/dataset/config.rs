//! Which data set, as a setting.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Cifar, CifarVariant, DatasetError, ImageFolder, ProceduralConfig, Splits};

/// The `[data]` table of an experiment.
///
/// ```
/// use treelora_cl_bench::dataset::DatasetConfig;
///
/// let config: DatasetConfig = toml::from_str("name = 'procedural'\nclasses = 12")?;
/// assert_eq!(config.path(), None);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DatasetConfig {
    /// CIFAR-10 in the official binary layout.
    #[serde(rename = "cifar-10")]
    Cifar10 {
        /// Folder of `data_batch_*.bin` and `test_batch.bin`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<PathBuf>,
    },
    /// CIFAR-100 in the official binary layout.
    #[serde(rename = "cifar-100")]
    Cifar100 {
        /// Folder of `train.bin` and `test.bin`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<PathBuf>,
    },
    /// Image files, `path/{train,test}/CLASS/*.jpg`.
    ImageFolder {
        /// The folder above `train` and `test`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<PathBuf>,
    },
    /// Image files, a folder a domain: `path/DOMAIN/{train,test}/CLASS/*.jpg`.
    ImageDomains {
        /// The folder above the domains.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<PathBuf>,
    },
    /// Generated pictures.
    Procedural(ProceduralConfig),
}

impl DatasetConfig {
    /// Where the files are; `None` when there are none or nobody has said yet.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Cifar10 { path }
            | Self::Cifar100 { path }
            | Self::ImageFolder { path }
            | Self::ImageDomains { path } => path.as_deref(),
            Self::Procedural(_) => None,
        }
    }

    /// Open or generate both splits.
    ///
    /// # Errors
    /// When no path is given, a setting is out of range, or from the files.
    pub fn open(&self) -> Result<Splits, DatasetError> {
        let path = || {
            self.path().ok_or(DatasetError::Setting {
                key: "path",
                problem: "no folder with the data is given".into(),
            })
        };
        match self {
            Self::Cifar10 { .. } => Cifar::open(CifarVariant::Ten, path()?),
            Self::Cifar100 { .. } => Cifar::open(CifarVariant::Hundred, path()?),
            Self::ImageFolder { .. } => ImageFolder::open(path()?),
            Self::ImageDomains { .. } => ImageFolder::open_domains(path()?),
            Self::Procedural(config) => config.generate(),
        }
    }
}
