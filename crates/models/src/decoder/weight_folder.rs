//! The weight files of a model's folder, one or several shards, as one set of tensors.

use std::{
    collections::BTreeMap,
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

    /// Every tensor lies in the shard that the index names, and no shard holds another.
    fn of_shards(folder: &Path, path: PathBuf) -> Result<Self, ImportError> {
        let Index { weight_map } = read_json(&path)?;
        let mut shards: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
        for (name, shard) in &weight_map {
            shards.entry(shard).or_default().push(name);
        }
        let mut files = Vec::with_capacity(shards.len());
        let mut holders = BTreeMap::new();
        for (shard, names) in shards {
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
            let unindexed = |name: &String| weight_map.get(name).map(String::as_str) != Some(shard);
            let unexpected: Vec<String> = file.names().filter(unindexed).collect();
            let absent = |name: &&&String| file.shape(name).is_none();
            let missing: Vec<String> = names
                .iter()
                .filter(absent)
                .map(|name| (**name).clone())
                .collect();
            if !missing.is_empty() || !unexpected.is_empty() {
                return Err(ImportError::Tensors {
                    path: file.path().to_owned(),
                    missing,
                    unexpected,
                    misshaped: Vec::new(),
                });
            }
            holders.extend(names.into_iter().map(|name| (name.clone(), files.len())));
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

    /// Whether two tensors hold the same bytes in the same type.
    pub(super) fn are_equal(&self, one: &str, other: &str) -> bool {
        match (self.holder(one), self.holder(other)) {
            (Some(first), Some(second)) => {
                first.shape(one) == second.shape(other)
                    && first.bytes_of(one) == second.bytes_of(other)
            }
            _ => false,
        }
    }
}
