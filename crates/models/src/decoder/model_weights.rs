//! The tensors of a decoder under Hugging Face's names, whatever files they are in.

use std::path::Path;

use super::{gguf::GgufWeights, weight_folder::WeightFolder};
use crate::import::{ImportError, transposed};

/// Tensors by name.
pub(super) enum ModelWeights {
    /// A folder of safetensors.
    Folder(WeightFolder),
    /// One GGUF file.
    Gguf(Box<GgufWeights>),
}

impl ModelWeights {
    /// What errors about all of them name.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Folder(folder) => folder.path(),
            Self::Gguf(file) => file.path(),
        }
    }

    /// The names, sorted.
    pub(super) fn names(&self) -> Vec<&String> {
        match self {
            Self::Folder(folder) => folder.names().collect(),
            Self::Gguf(file) => file.names().collect(),
        }
    }

    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        match self {
            Self::Folder(folder) => folder.shape(name),
            Self::Gguf(file) => file.shape(name),
        }
    }

    /// What a tensor is called in its file, or would be.
    pub(super) fn name_in_file(&self, name: &str) -> String {
        match self {
            Self::Folder(_) => name.to_owned(),
            Self::Gguf(file) => file.name_in_file(name),
        }
    }

    /// The values of a tensor; empty for one that is not there, which the check of the names has ruled out.
    ///
    /// # Errors
    /// When its type is not read, or a value is not finite.
    pub(super) fn values(&self, name: &str) -> Result<Vec<f32>, ImportError> {
        match self {
            Self::Folder(folder) => match folder.holder(name) {
                Some(file) => file.values(name),
                None => Ok(Vec::new()),
            },
            Self::Gguf(file) => Ok(file.values(name)?),
        }
    }

    /// The values of a linear weight `[outputs, inputs]` as `[inputs, outputs]`.
    ///
    /// # Errors
    /// As [`values`](Self::values).
    pub(super) fn transposed(&self, name: &str, inputs: usize) -> Result<Vec<f32>, ImportError> {
        Ok(transposed(&self.values(name)?, inputs))
    }

    /// Whether two tensors hold the same values.
    ///
    /// # Errors
    /// As [`values`](Self::values).
    pub(super) fn are_equal(&self, one: &str, other: &str) -> Result<bool, ImportError> {
        match self {
            Self::Folder(folder) => folder.are_equal(one, other),
            Self::Gguf(file) => Ok(file.are_equal(one, other)),
        }
    }
}
