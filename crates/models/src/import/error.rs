//! Why a weight file cannot become the model that was asked for.

use std::path::{Path, PathBuf};

use treelora_core::{FileKind, other_weights};

use crate::export::FILE;

/// Weights that do not fit.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Reading failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is no intact safetensors file.
    #[error("{}: not an intact safetensors file: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Another kind of file.
    #[error("{}: not a safetensors file but {kind}", path.display())]
    OtherFile {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: FileKind,
    },
    /// A folder in the place of a file.
    #[error("{}: a folder, where a file of weights is asked for{hint}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is in it, behind a semicolon.
        hint: String,
    },
    /// A file in the place of a model's folder.
    #[error(
        "{}: a file, where a folder with config.json and {FILE}, or a GGUF file, is asked for; it is {}",
        path.display(),
        kind.map_or_else(|| "of a kind that is not known".to_owned(), |kind| kind.to_string())
    )]
    NoFolder {
        /// The file.
        path: PathBuf,
        /// What it is, where its first bytes tell.
        kind: Option<FileKind>,
    },
    /// A folder with weights in files that are not read.
    #[error("{}: the folder has no {expected}; {found}", path.display())]
    NoSafetensors {
        /// The folder.
        path: PathBuf,
        /// The file that is read.
        expected: &'static str,
        /// What it has in its place, and what to do.
        found: String,
    },
    /// An intact file that holds some other kind of model.
    #[error(
        "{}: not a {kind}: it has no `{expected}` but tensors such as {}",
        path.display(),
        list(found)
    )]
    OtherModel {
        /// The file.
        path: PathBuf,
        /// The model that was asked for, and whose names it should have.
        kind: &'static str,
        /// A tensor that every such model has.
        expected: &'static str,
        /// Some tensors that the file has.
        found: Vec<String>,
    },
    /// The right kind of model in another shape.
    #[error("{}: the file holds a {found}, the configuration wants a {expected}", path.display())]
    OtherArchitecture {
        /// The file.
        path: PathBuf,
        /// What the file holds.
        found: String,
        /// What the configuration wants.
        expected: String,
    },
    /// Tensors that do not match the configuration one to one.
    #[error(
        "{}: tensors do not fit the configuration; missing: {}; unexpected: {}; of another shape: {}",
        path.display(),
        list(missing),
        list(unexpected),
        list(misshaped)
    )]
    Tensors {
        /// The file.
        path: PathBuf,
        /// Names that the model needs and the file lacks.
        missing: Vec<String>,
        /// Names that the file has and the model has no place for.
        unexpected: Vec<String>,
        /// Tensors of another shape than the model's.
        misshaped: Vec<Misshaped>,
    },
    /// A tensor of a type that is not read.
    #[error("{}: tensor `{name}` has type {found}, expected F64, F32, F16 or BF16", path.display())]
    Type {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its type.
        found: String,
    },
    /// A number that no trained weight has.
    #[error("{}: tensor `{name}` holds {value} at position {position}", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Index of the first such value.
        position: usize,
        /// The value: not a number, or infinite.
        value: f32,
    },
    /// An index that names a file which is not there.
    #[error("{}: the index names the shard `{shard}`, and there is no such file beside it", path.display())]
    MissingShard {
        /// The index.
        path: PathBuf,
        /// Name of the shard.
        shard: String,
    },
    /// A GGUF file that cannot be used.
    #[error(transparent)]
    Gguf(#[from] treelora_core::GgufError),
    /// The configuration itself is not valid.
    #[error(transparent)]
    Config(#[from] treelora_core::Error),
}

/// A tensor of another shape than the model's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misshaped {
    /// Its name.
    pub name: String,
    /// Its shape in the file.
    pub found: Vec<usize>,
    /// The shape that the configuration wants.
    pub expected: Vec<usize>,
}

impl std::fmt::Display for Misshaped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            name,
            found,
            expected,
        } = self;
        write!(f, "{name} {found:?} in place of {expected:?}")
    }
}

impl ImportError {
    /// A folder in the place of a weight file, with the file in it that is meant.
    pub(crate) fn folder(path: &Path) -> Self {
        let file = path.join(FILE);
        let found = match file.exists() {
            true => Some(format!("name the file in it: {}", file.display())),
            false => other_weights(path, FILE),
        };
        Self::Folder {
            path: path.to_owned(),
            hint: found.map_or_else(String::new, |found| format!("; {found}")),
        }
    }
}

impl From<ImportError> for treelora_core::Error {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Io { path, source } => Self::Io { path, source },
            ImportError::Config(error) => error,
            ImportError::Gguf(error) => error.into(),
            // The message names the file already.
            other => Self::Data(other.to_string()),
        }
    }
}

fn list(items: &[impl ToString]) -> String {
    match items {
        [] => "none".to_owned(),
        items => items
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    }
}
