//! What can be wrong with the files of a data set.

use std::path::{Path, PathBuf};

use treelora_core::Error;

use super::class_names::twin;

/// A data set cannot be used; the message names the file and the values that disagree.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A file or folder cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file of fixed-size records ends inside a record, or holds none.
    #[error(
        "{}: {bytes} bytes are not a whole number of records of {record_bytes} bytes: record \
         {record} at byte {offset} is cut off (truncated download, or another data set?)",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// What one record takes.
        record_bytes: u64,
        /// The incomplete record, from 0.
        record: u64,
        /// Where it begins.
        offset: u64,
    },
    /// A label is outside its range.
    #[error(
        "{}: record {record} at byte {offset}: {kind} label {label}, but there are {classes} \
         (0 to {})",
        path.display(), classes - 1
    )]
    Label {
        /// The file.
        path: PathBuf,
        /// The record, from 0.
        record: usize,
        /// Byte of the label in the file.
        offset: usize,
        /// Which label of the record.
        kind: &'static str,
        /// The value found.
        label: usize,
        /// How many there are.
        classes: usize,
    },
    /// A file of class names does not fit the data.
    #[error("{}: {found} class names for {expected} classes", path.display())]
    ClassNames {
        /// The file.
        path: PathBuf,
        /// Names in the file.
        found: usize,
        /// Classes of the data set.
        expected: usize,
    },
    /// A folder that the layout asks for is missing.
    #[error("{}: the {role} folder is missing", path.display())]
    MissingFolder {
        /// Where it should be.
        path: PathBuf,
        /// What it is for.
        role: &'static str,
    },
    /// A folder holds nothing of what it should.
    #[error("{}: no {expected}", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// A folder holds no image.
    #[error(
        "{}: no image{}",
        path.display(),
        left_out.as_ref().map_or_else(String::new, |files| format!("; {files}"))
    )]
    NoImage {
        /// The folder.
        path: PathBuf,
        /// What it holds besides.
        left_out: Option<String>,
    },
    /// The test split has a class that the training split lacks.
    #[error("{}: class `{class}` does not occur in training{hint}", path.display())]
    UnknownClass {
        /// The folder of the class.
        path: PathBuf,
        /// Its name.
        class: String,
        /// What may be the cause, behind a semicolon.
        hint: String,
    },
    /// An image file does not decode.
    #[error("{}: the image does not decode: {problem}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        problem: String,
    },
    /// A model's images are too small or too large.
    #[error("images of {size} pixels a side: not between 1 and {largest}")]
    ImageSize {
        /// Side of the images.
        size: usize,
        /// The largest that there is.
        largest: u32,
    },
    /// A file is not what its format says, or does not fit the file beside it.
    #[error("{}: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What disagrees.
        problem: String,
    },
    /// A setting is missing or out of range.
    #[error("setting `{key}`: {problem}")]
    Setting {
        /// Dotted path of the setting in its table.
        key: &'static str,
        /// The value and what is allowed.
        problem: String,
    },
}

impl DatasetError {
    pub(in crate::dataset) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// A class that only the test split has; `names` are those of training.
    pub(in crate::dataset) fn unknown_class(path: PathBuf, class: &str, names: &[String]) -> Self {
        let hint = twin(class, names).map(|twin| {
            format!(
                "; training has `{}`, the same letters in another Unicode composition than `{}`: give both folders \
                 one name",
                twin.escape_default(),
                class.escape_default()
            )
        });
        Self::UnknownClass {
            path,
            class: class.to_owned(),
            hint: hint.unwrap_or_default(),
        }
    }

    /// The file or folder that is wrong.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. }
            | Self::Truncated { path, .. }
            | Self::Label { path, .. }
            | Self::ClassNames { path, .. }
            | Self::MissingFolder { path, .. }
            | Self::Empty { path, .. }
            | Self::NoImage { path, .. }
            | Self::UnknownClass { path, .. }
            | Self::Image { path, .. }
            | Self::Format { path, .. } => Some(path),
            Self::Setting { .. } | Self::ImageSize { .. } => None,
        }
    }
}

impl From<DatasetError> for Error {
    fn from(error: DatasetError) -> Self {
        match error {
            DatasetError::Io { path, source } => Self::Io { path, source },
            DatasetError::Setting { key, problem } => Self::setting(key, problem),
            other => Self::Data(other.to_string()),
        }
    }
}
