//! What can go wrong with a file of tensors.

use std::path::{Path, PathBuf};

use burn::tensor::DType;

use crate::FileKind;

/// An error of a file of tensors.
#[derive(Debug, thiserror::Error)]
pub enum TensorFileError {
    /// Reading or writing a file failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}{problem}", place(file.as_deref()))]
    Content {
        /// The file; `None` for tensors that were not read from one.
        file: Option<PathBuf>,
        /// What is wrong.
        problem: TensorProblem,
    },
}

/// Why the content of a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TensorProblem {
    /// It is not safetensors, or not all of it.
    #[error("{0}")]
    Damaged(String),
    /// It is another kind of file.
    #[error("not a safetensors file but {0}")]
    Kind(FileKind),
    /// It says that it is something else.
    #[error("format `{}`, expected `{expected}`", found.as_deref().unwrap_or("none"))]
    Format {
        /// What it says that it is, if anything.
        found: Option<String>,
        /// What was asked for.
        expected: String,
    },
    /// A tensor is of a type that is not read from any file.
    #[error("tensor `{name}` is {found}; F64, F32, F16, BF16, I64, U64 and U32 are read")]
    UnknownType {
        /// The tensor.
        name: String,
        /// Its type.
        found: String,
    },
    /// There is no tensor of this name.
    #[error("tensor `{name}` is missing")]
    Missing {
        /// The name.
        name: String,
    },
    /// A tensor is of another type.
    #[error("tensor `{name}` is {found:?}, expected {}", alternatives(expected))]
    Type {
        /// The tensor.
        name: String,
        /// Its type.
        found: DType,
        /// Those that were asked for.
        expected: &'static [DType],
    },
    /// A tensor has another number of dimensions.
    #[error("tensor `{name}` has {} dimensions, expected {expected}", found.len())]
    Rank {
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The number of dimensions that was asked for.
        expected: usize,
    },
    /// A stored index is larger than this machine can count.
    #[error("tensor `{name}` holds {value}, which is no index here")]
    Index {
        /// The tensor.
        name: String,
        /// The value.
        value: u64,
    },
    /// Tensors do not fit each other, or what reads them.
    #[error("{0}")]
    Unfit(String),
}

impl TensorFileError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn content(file: Option<&Path>, problem: TensorProblem) -> Self {
        Self::Content {
            file: file.map(Path::to_owned),
            problem,
        }
    }
}

fn place(file: Option<&Path>) -> String {
    file.map_or_else(String::new, |file| format!("{}: ", file.display()))
}

fn alternatives(types: &[DType]) -> String {
    let names: Vec<String> = types.iter().map(|dtype| format!("{dtype:?}")).collect();
    names.join(" or ")
}
