//! The tensors of a GGUF file as Hugging Face has them.

use std::{collections::BTreeMap, path::Path};

use treelora_core::{GgufError, GgufFile};

use super::{architecture::Architecture, metadata, names, row_order::RowOrder};
use crate::decoder::DecoderConfig;

/// The tensor that [`metadata`] has understood.
const FACTORS: &str = "rope_freqs.weight";

/// A file with the names of Hugging Face.
pub(in crate::decoder) struct GgufWeights {
    file: GgufFile,
    config: DecoderConfig,
    /// llama.cpp's name of each tensor, and what its converter did to it.
    tensors: BTreeMap<String, (String, RowOrder)>,
}

impl GgufWeights {
    /// Open a file and understand its metadata.
    ///
    /// # Errors
    /// When it is damaged, or of a kind that is not read; the message names the file and the key or the tensor.
    pub(in crate::decoder) fn open(path: &Path) -> Result<Self, GgufError> {
        let file = GgufFile::open(path)?;
        let architecture = Architecture::of(&file)?;
        let config = metadata::config(&file, architecture)?;
        let mut tensors = BTreeMap::new();
        for name in file.names().filter(|name| *name != FACTORS) {
            let theirs = names::hugging_face(name, architecture.family);
            let order = RowOrder::of(name, architecture, &config);
            let placed = theirs.unwrap_or_else(|| name.to_owned());
            if let Some((other, _)) = tensors.insert(placed, (name.to_owned(), order)) {
                return Err(file.error(format!("tensors `{other}` and `{name}` are one")));
            }
        }
        Ok(Self {
            file,
            config,
            tensors,
        })
    }

    /// The shape that the metadata tell.
    pub(in crate::decoder) fn config(&self) -> &DecoderConfig {
        &self.config
    }

    pub(in crate::decoder) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(in crate::decoder) fn names(&self) -> impl Iterator<Item = &String> {
        self.tensors.keys()
    }

    pub(in crate::decoder) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.file.shape(&self.tensors.get(name)?.0)
    }

    /// The name that a tensor has, or would have, in the file.
    pub(in crate::decoder) fn name_in_file(&self, name: &str) -> String {
        names::llama_cpp(name, self.config.family).unwrap_or_else(|| name.to_owned())
    }

    /// Whether two tensors of equal order hold the same bytes.
    pub(in crate::decoder) fn are_equal(&self, one: &str, other: &str) -> bool {
        match (self.tensors.get(one), self.tensors.get(other)) {
            (Some((one, order)), Some((other, order_of))) => {
                order == order_of && self.file.are_equal(one, other)
            }
            _ => false,
        }
    }

    /// The values of a tensor whose shape has been checked; empty when there is none of that name.
    ///
    /// # Errors
    /// When one is not finite.
    pub(in crate::decoder) fn values(&self, name: &str) -> Result<Vec<f32>, GgufError> {
        let Some((own, order)) = self.tensors.get(name) else {
            return Ok(Vec::new());
        };
        let values = self.file.values(own).unwrap_or_default();
        if let Some(position) = values.iter().position(|value| !value.is_finite()) {
            let value = values[position];
            return Err(self.file.error(format!(
                "tensor `{own}` holds {value} at position {position}"
            )));
        }
        let rows = self.shape(name).and_then(|shape| shape.first());
        Ok(order.undone(values, rows.copied().unwrap_or(0)))
    }
}
