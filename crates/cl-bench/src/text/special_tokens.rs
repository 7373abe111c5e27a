//! Which tokens begin, end and pad a text, from the files beside a tokenizer.

use serde_json::{Map, Value};
use treelora_core::{Error, token_ids};

use super::{token_names::TokenNames, tokenizer_files::TokenizerFiles};

/// Ids of the tokens that are not text.
///
/// The names in `tokenizer_config.json`, then `special_tokens_map.json`, come first; where neither
/// has one, the ids in `generation_config.json`, then `config.json`. A negative id is no token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Beginning of a text.
    pub bos: Option<u32>,
    /// End of a text; follows the answers that are learned.
    pub eos: Option<u32>,
    /// Padding; where none is named, the end of a text, as is usual (padding is masked).
    pub pad: Option<u32>,
    /// Every token that ends a generation: `eos` and those of the model's files, ascending.
    pub stops: Vec<u32>,
}

impl SpecialTokens {
    /// Read them; `id_of` knows the vocabulary.
    ///
    /// # Errors
    /// When a file is damaged, or names a token that the vocabulary lacks.
    pub(super) fn read(
        files: &TokenizerFiles,
        names: &TokenNames,
        id_of: impl Fn(&str) -> Option<u32>,
    ) -> Result<Self, Error> {
        let named = |key: &str| {
            let Some(token) = names.get(key) else {
                return Ok(None);
            };
            id_of(&token.content).map(Some).ok_or_else(|| {
                let problem = format!(
                    "{key} is `{}`, which the vocabulary of tokenizer.json lacks",
                    token.content
                );
                Error::format(files.path_of(token.file), problem)
            })
        };
        let mut special = Self {
            bos: named("bos_token")?,
            eos: named("eos_token")?,
            pad: named("pad_token")?,
            stops: Vec::new(),
        };
        special.stops.extend(special.eos);
        for file in ["generation_config.json", "config.json"] {
            let path = files.path_of(file);
            let fields: Map<String, Value> = files.json_if_present(file)?;
            let ids = |key: &str| {
                let ids = token_ids(fields.get(key).unwrap_or(&Value::Null));
                ids.map_err(|problem| Error::format(&path, format!("`{key}` {problem}")))
            };
            let (bos, eos, pad) = (
                ids("bos_token_id")?,
                ids("eos_token_id")?,
                ids("pad_token_id")?,
            );
            special.bos = special.bos.or(bos.first().copied());
            special.eos = special.eos.or(eos.first().copied());
            special.pad = special.pad.or(pad.first().copied());
            special.stops.extend(eos);
        }
        special.pad = special.pad.or(special.eos);
        special.stops.sort_unstable();
        special.stops.dedup();
        Ok(special)
    }
}
