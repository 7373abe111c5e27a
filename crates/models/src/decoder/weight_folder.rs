//! The weight files of a model's folder, one or several shards, as one set of tensors.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use serde::Deserialize;
use treelora_core::{other_weights, read_json};

use crate::{
    export::FILE as SINGLE,
    import::{ImportError, WeightFile},
};

const INDEX: &str = "model.safetensors.index.json";

/// All tensors of a folder.
pub(super) struct WeightFolder {
    /// What errors about the whole name: the file, or the index of the shards.
    path: PathBuf,
    files: Vec<WeightFile>,
    /// Index of the file that holds a tensor.
    holders: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
struct Index {
    /// File of each tensor.
    weight_map: BTreeMap<String, String>,
}

impl WeightFolder {
    /// `model.safetensors`, or the shards of `model.safetensors.index.json`.
    pub(super) fn open(folder: &Path) -> Result<Self, ImportError> {
        let (single, index) = (folder.join(SINGLE), folder.join(INDEX));
        match !single.exists() && index.exists() {
            true => Self::of_shards(folder, index),
            false => {
                if let Some(found) = other_weights(folder, SINGLE) {
                    return Err(ImportError::NoSafetensors {
                        path: folder.to_owned(),
                        expected: SINGLE,
                        found: format!(
                            "{found}. All of the folder at once: python -c \"from transformers import \
                             AutoModelForCausalLM as M; M.from_pretrained('FOLDER').save_pretrained('FOLDER')\""
                        ),
                    });
                }
                let file = WeightFile::read(&single)?;
                let holders = file.names().map(|name| (name, 0)).collect();
                Ok(Self {
                    path: single,
                    files: vec![file],
                    holders,
                })
            }
        }
    }

    /// All tensors of the shards that the index names, whichever shard the index puts them in. One that several shards
    /// hold is taken from the shard that the index names for it.
    fn of_shards(folder: &Path, path: PathBuf) -> Result<Self, ImportError> {
        let Index { weight_map } = read_json(&path)?;
        let shards: BTreeSet<&str> = weight_map.values().map(String::as_str).collect();
        let mut files = Vec::with_capacity(shards.len());
        let mut holders = BTreeMap::new();
        for shard in shards {
            let file = folder.join(shard);
            let mut components = Path::new(shard).components();
            let beside = matches!(
                (components.next(), components.next()),
                (Some(Component::Normal(_)), None)
            );
            if !beside || !file.exists() {
                let shard = shard.to_owned();
                return Err(ImportError::MissingShard { path, shard });
            }
            let file = WeightFile::read(&file)?;
            for name in file.names() {
                let named = weight_map.get(&name).map(String::as_str) == Some(shard);
                if named || !holders.contains_key(&name) {
                    holders.insert(name, files.len());
                }
            }
            files.push(file);
        }
        Ok(Self {
            path,
            files,
            holders,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.holders.keys()
    }

    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.holder(name)?.shape(name)
    }

    /// The file that holds a tensor.
    pub(super) fn holder(&self, name: &str) -> Option<&WeightFile> {
        self.holders.get(name).map(|index| &self.files[*index])
    }

    /// Whether two tensors hold the same values.
    ///
    /// # Errors
    /// When their types differ and a value of one is not read.
    pub(super) fn are_equal(&self, one: &str, other: &str) -> Result<bool, ImportError> {
        let (Some(first), Some(second)) = (self.holder(one), self.holder(other)) else {
            return Ok(false);
        };
        if first.shape(one) != second.shape(other) {
            return Ok(false);
        }
        match first.dtype(one) == second.dtype(other) {
            true => Ok(first.bytes_of(one) == second.bytes_of(other)),
            false => Ok(first.values(one)? == second.values(other)?),
        }
    }
}
