//! What a data set offers to be named in a file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{DatasetError, Splits};

/// The `[data]` table of an experiment that names one data set, without that name.
pub trait ImageSource {
    /// Where the files are; `None` when there are none or nobody has said yet.
    fn path(&self) -> Option<&Path>;

    /// The same, to be changed.
    fn path_mut(&mut self) -> Option<&mut PathBuf>;

    /// Open or generate both splits.
    ///
    /// # Errors
    /// When no path is given, a setting is out of range, or from the files.
    fn open(&self) -> Result<Splits, DatasetError>;
}

/// The settings of a data set that is a folder of files.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFolder {
    /// The folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

impl DataFolder {
    /// The folder.
    ///
    /// # Errors
    /// When nobody has said.
    pub fn given(&self) -> Result<&Path, DatasetError> {
        self.path.as_deref().ok_or(DatasetError::Setting {
            key: "path",
            problem: "no folder with the data is given".into(),
        })
    }
}
