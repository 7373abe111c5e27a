//! What can go wrong outside the program's own logic.

use std::path::{Path, PathBuf};

use treelora_tensor_file::{GgufError, TensorFileError, TextFileError};

use crate::StepInfo;

/// An error of files, settings or data, never of the program's own logic.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading or writing a file failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong: the key and the values that disagree.
        problem: String,
    },
    /// A setting is out of range or does not fit the model or the data.
    #[error("setting `{key}`: {problem}")]
    Setting {
        /// Dotted path of the setting, from the table of what was asked on ([`within`](Self::within)).
        key: String,
        /// The value and what is allowed.
        problem: String,
    },
    /// A loss, a gradient or a parameter is not a finite number.
    #[error(
        "{what} is {value} at task {}, epoch {}, step {}, batch {batch} of the epoch: lower the learning rate or clip \
         gradients",
        step.task, step.epoch, step.step
    )]
    Diverged {
        /// Where it happened.
        step: StepInfo,
        /// Which batch of the epoch, from 0: a step may accumulate the gradients of several.
        batch: usize,
        /// The loss, or the gradient or the value of which parameter.
        what: String,
        /// The loss; for a tensor NaN.
        value: f64,
    },
    /// The run was asked to stop, and did so with a checkpoint.
    #[error("stopped; `treelora resume {}` goes on from here", run.display())]
    Interrupted {
        /// The folder of the run.
        run: PathBuf,
    },
    /// Data or statistics of it cannot be used.
    #[error("{0}")]
    Data(String),
}

impl Error {
    /// An [`Error::Io`] at `path`.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io {
            path: path.as_ref().to_owned(),
            source,
        }
    }

    /// An [`Error::Format`] at `path`.
    ///
    /// Messages of other errors often begin with the file that they are about. Where that is `path`, or lies in it, the
    /// error is about that file, so that no path stands twice in a message:
    ///
    /// ```
    /// use treelora_core::Error;
    ///
    /// let same = Error::format("run/a", "run/a: tensor `x` is missing");
    /// assert_eq!(same.to_string(), "run/a: tensor `x` is missing");
    /// let inside = Error::format("run", "run/a: tensor `x` is missing");
    /// assert_eq!(inside.to_string(), "run/a: tensor `x` is missing");
    /// let other = Error::format("run", "runs: tensor `x` is missing");
    /// assert_eq!(other.to_string(), "run: runs: tensor `x` is missing");
    /// ```
    pub fn format(path: impl AsRef<Path>, problem: impl Into<String>) -> Self {
        let (path, problem) = (path.as_ref(), problem.into());
        match named(&problem).filter(|(file, _)| lies_at(file, path)) {
            Some((file, problem)) => Self::Format {
                path: file.to_owned(),
                problem: problem.to_owned(),
            },
            None => Self::Format {
                path: path.to_owned(),
                problem,
            },
        }
    }

    /// An [`Error::Setting`] of `key`; of a key in the table `key` where the problem is the message of such an error.
    ///
    /// ```
    /// use treelora_core::Error;
    ///
    /// let error = Error::setting("lora", "setting `rank`: 0 is not above 0");
    /// assert_eq!(error.to_string(), "setting `lora.rank`: 0 is not above 0");
    /// ```
    pub fn setting(key: impl Into<String>, problem: impl Into<String>) -> Self {
        let (key, problem) = (key.into(), problem.into());
        let inner = problem.strip_prefix("setting `");
        match inner.and_then(|inner| inner.split_once("`: ")) {
            Some((inner, problem)) => Self::setting(format!("{key}.{inner}"), problem),
            None => Self::Setting { key, problem },
        }
    }

    /// The same error, with the key of an [`Error::Setting`] inside `table`: a library names its settings as its own
    /// table has them, and who knows the table's place in a file puts it in front.
    ///
    /// ```
    /// use treelora_core::Error;
    ///
    /// let error = Error::setting("rank", "0 is not above 0").within("lora").within("method");
    /// assert_eq!(error.to_string(), "setting `method.lora.rank`: 0 is not above 0");
    /// let error = Error::Data("no examples".into()).within("method");
    /// assert_eq!(error.to_string(), "no examples");
    /// ```
    #[must_use]
    pub fn within(self, table: &str) -> Self {
        match self {
            Self::Setting { key, problem } => Self::Setting {
                key: format!("{table}.{key}"),
                problem,
            },
            other => other,
        }
    }
}

/// Whether `file` is `path` or lies in it.
fn lies_at(file: &Path, path: &Path) -> bool {
    !path.as_os_str().is_empty() && file.starts_with(path)
}

/// The file that a message begins with, and the rest.
fn named(message: &str) -> Option<(&Path, &str)> {
    let (file, problem) = message.split_once(": ")?;
    Some((Path::new(file), problem))
}

impl From<TensorFileError> for Error {
    fn from(error: TensorFileError) -> Self {
        match error {
            TensorFileError::Io { path, source } => Self::Io { path, source },
            TensorFileError::Content { file, problem } => match file {
                Some(path) => Self::format(path, problem.to_string()),
                None => Self::Data(problem.to_string()),
            },
        }
    }
}

impl From<TextFileError> for Error {
    fn from(error: TextFileError) -> Self {
        match error {
            TextFileError::Io { path, source } => Self::Io { path, source },
            TextFileError::Content { path, problem } => Self::Format { path, problem },
        }
    }
}

impl From<GgufError> for Error {
    fn from(error: GgufError) -> Self {
        match error {
            GgufError::Io { path, source } => Self::Io { path, source },
            GgufError::Content { path, problem } => Self::Format { path, problem },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use treelora_tensor_file::TensorFile;

    use super::*;

    #[test]
    fn errors_of_a_tensor_file_keep_file_and_problem() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.safetensors");
        let error = Error::from(TensorFile::load(&path).unwrap_err());
        assert!(matches!(&error, Error::Io { path: of, .. } if *of == path));
        let file = TensorFile::new();
        let error = Error::from(file.f64s("mean").unwrap_err());
        assert_eq!(error.to_string(), "tensor `mean` is missing");
        assert!(matches!(error, Error::Data(_)));
        file.save(&path).unwrap();
        let file = TensorFile::load(&path).unwrap();
        let error = Error::from(file.f64s("mean").unwrap_err());
        let expected = format!("{}: tensor `mean` is missing", path.display());
        assert_eq!(error.to_string(), expected);
        assert!(matches!(error, Error::Format { path: of, .. } if of == path));
    }
}
