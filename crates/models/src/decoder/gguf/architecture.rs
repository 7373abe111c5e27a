//! The architectures that are read: a row each.

use treelora_core::{GgufError, GgufFile};

use crate::decoder::Family;

/// The key that names it.
const KEY: &str = "general.architecture";
/// What a file holds: a model, an adapter, the encoder of pictures beside a model.
const TYPE: &str = "general.type";
const PARTS: &str = "split.count";

/// What llama.cpp makes of a family.
pub(super) struct Architecture {
    /// The family.
    pub(super) family: Family,
    /// `general.architecture`, and the first part of the keys.
    pub(super) name: &'static str,
    /// Whether the rows of queries and keys are in the order in which llama.cpp turns them: neighbours together.
    pub(super) pairs_neighbours: bool,
    /// Layers of the model whose queries are scaled by an equal share of the width in place of the width of a head.
    pub(super) layers_of_scaled_share: Option<u64>,
}

const LLAMA: Architecture = Architecture {
    family: Family::Llama,
    name: "llama",
    pairs_neighbours: true,
    layers_of_scaled_share: None,
};

const ALL: [Architecture; 6] = [
    LLAMA,
    plain(Family::Qwen2, "qwen2"),
    plain(Family::Qwen3, "qwen3"),
    plain(Family::Gemma, "gemma"),
    // The largest of either, as llama.cpp knows them.
    Architecture {
        layers_of_scaled_share: Some(46),
        ..plain(Family::Gemma2, "gemma2")
    },
    Architecture {
        layers_of_scaled_share: Some(62),
        ..plain(Family::Gemma3, "gemma3")
    },
];

const fn plain(family: Family, name: &'static str) -> Architecture {
    Architecture {
        family,
        name,
        pairs_neighbours: false,
        ..LLAMA
    }
}

impl Architecture {
    /// That of a file.
    ///
    /// # Errors
    /// When it is none that is read, or the file holds no whole model.
    pub(super) fn of(file: &GgufFile) -> Result<&'static Self, GgufError> {
        static ROWS: [Architecture; 6] = ALL;
        let name = file.text(KEY)?.ok_or_else(|| file.missing(KEY))?;
        let row = ROWS.iter().find(|row| row.name == name).ok_or_else(|| {
            let known = ROWS.each_ref().map(|row| row.name).join(", ");
            file.error(format!("`{KEY}` is `{name}`, read are {known}"))
        })?;
        if let Some(other) = file.text(TYPE)?.filter(|kind| *kind != "model") {
            return Err(file.error(format!("`{TYPE}` is `{other}`, must be `model`")));
        }
        match file.count(PARTS)? {
            None | Some(0 | 1) => Ok(row),
            Some(parts) => Err(file.error(format!(
                "`{PARTS}` is {parts}: one part of a model; `llama-gguf-split --merge` joins them"
            ))),
        }
    }

    /// A key of this architecture.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.name)
    }
}
