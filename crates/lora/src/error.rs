//! What can go wrong with settings, models that do not fit, and files.

use std::path::PathBuf;

use treelora_tensor_file::TensorFileError;

/// An error of settings, files, or an adapter that does not fit the model.
#[derive(Debug, thiserror::Error)]
pub enum LoraError {
    /// A setting is out of range.
    #[error("setting `{key}`: {problem}")]
    Setting {
        /// Name of the setting.
        key: &'static str,
        /// The value and what is allowed.
        problem: String,
    },
    /// A pattern matches none of the parameters that it could.
    #[error(
        "setting `{key}`: `{pattern}` matches no parameter; there are {}",
        listed(available)
    )]
    NoMatch {
        /// Name of the setting.
        key: &'static str,
        /// The pattern.
        pattern: String,
        /// Paths that could have matched.
        available: Vec<String>,
    },
    /// Two patterns give one parameter different values.
    #[error("setting `{key}`: `{first}` and `{second}` both match `{path}` with different values")]
    Ambiguous {
        /// Name of the setting.
        key: &'static str,
        /// Path of the parameter.
        path: String,
        /// One pattern.
        first: String,
        /// The other.
        second: String,
    },
    /// The rank exceeds that of the weight itself.
    #[error("setting `{key}`: rank {rank} is above the smaller side of `{path}` [{d_in}, {d_out}]")]
    Rank {
        /// `rank` or `rank_pattern`.
        key: &'static str,
        /// Path of the parameter.
        path: String,
        /// The rank.
        rank: usize,
        /// Input width of the weight.
        d_in: usize,
        /// Output width of the weight.
        d_out: usize,
    },
    /// The parameter is reparameterized already.
    #[error("`{path}` already carries `{name}`: attach to a plain model, or `detach` it first")]
    AlreadyAttached {
        /// Path of the parameter.
        path: String,
        /// Name of what it carries.
        name: String,
    },
    /// An adapter's layers are not those of the model or of another adapter.
    #[error("layer `{path}`: {problem}")]
    Layer {
        /// Path of the parameter.
        path: String,
        /// The values that disagree.
        problem: String,
    },
    /// Rows of layer vectors differ in width.
    #[error(
        "layer `{layer}` has {width} features, but `{first}` has {expected}: rows of one width are needed"
    )]
    Width {
        /// Name of the layer.
        layer: String,
        /// Its width.
        width: usize,
        /// The first layer.
        first: String,
        /// The width of the first layer.
        expected: usize,
    },
    /// The model has no adapter.
    #[error("the model has no adapters; `attach` comes first")]
    NoAdapters,
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
        /// What is wrong.
        problem: String,
    },
}

impl LoraError {
    pub(crate) fn layer(path: &str, problem: impl Into<String>) -> Self {
        Self::Layer {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }
}

impl From<TensorFileError> for LoraError {
    fn from(error: TensorFileError) -> Self {
        match error {
            TensorFileError::Io { path, source } => Self::Io { path, source },
            TensorFileError::Content { file, problem } => Self::Format {
                path: file.unwrap_or_default(),
                problem: problem.to_string(),
            },
        }
    }
}

/// The kinds of paths: a model has hundreds, which differ in the numbers of their blocks only.
fn listed(paths: &[String]) -> String {
    const SHOWN: usize = 24;
    let mut kinds: Vec<String> = Vec::new();
    for path in paths {
        let numbered = |component: &str| component.parse::<u64>().is_ok();
        let components = path.split('.').map(|c| if numbered(c) { "*" } else { c });
        let kind = format!("`{}`", components.collect::<Vec<_>>().join("."));
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    match kinds.len() {
        0 => "none".into(),
        count if count > SHOWN => {
            format!("{} and {} more", kinds[..SHOWN].join(", "), count - SHOWN)
        }
        _ => kinds.join(", "),
    }
}
