//! What can go wrong with a GGUF file.

use std::path::{Path, PathBuf};

/// An error of a GGUF file.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// Reading failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// It does not hold what it should.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong: the key or the tensor, and the values that disagree.
        problem: String,
    },
}

impl GgufError {
    /// A [`GgufError::Content`].
    pub fn content(path: &Path, problem: impl Into<String>) -> Self {
        Self::Content {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }
}
