//! Which tokens begin, end and pad a text, from the files beside a tokenizer.

use std::path::Path;

use serde::Deserialize;
use treelora_core::Error;

use super::bounded_file::read_json_if_present;

/// Ids of the tokens that are not text.
///
/// The names in `tokenizer_config.json`, then `special_tokens_map.json`, come first; where neither
/// has one, the ids in `generation_config.json`, then `config.json`.
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

/// Token names of `tokenizer_config.json` and `special_tokens_map.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Names {
    bos_token: Option<Name>,
    eos_token: Option<Name>,
    pad_token: Option<Name>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Name {
    Plain(String),
    Described { content: String },
}

/// Token ids of `generation_config.json` and `config.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Numbers {
    bos_token_id: Option<OneOrMany>,
    eos_token_id: Option<OneOrMany>,
    pad_token_id: Option<OneOrMany>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(i64),
    Many(Vec<i64>),
}

impl SpecialTokens {
    /// Read the files in `folder`; `id_of` knows the vocabulary.
    ///
    /// # Errors
    /// When a file is damaged, or names a token that the vocabulary lacks.
    pub(super) fn read(folder: &Path, id_of: impl Fn(&str) -> Option<u32>) -> Result<Self, Error> {
        let mut special = Self::default();
        for file in ["tokenizer_config.json", "special_tokens_map.json"] {
            let path = folder.join(file);
            let names: Names = read_json_if_present(&path)?;
            let id = |key: &str, name: Option<Name>| {
                let Some(Name::Plain(name) | Name::Described { content: name }) = name else {
                    return Ok(None);
                };
                id_of(&name).map(Some).ok_or_else(|| {
                    let problem = format!("{key} is `{name}`, which tokenizer.json lacks");
                    Error::format(&path, problem)
                })
            };
            let (bos, eos) = (
                id("bos_token", names.bos_token)?,
                id("eos_token", names.eos_token)?,
            );
            let pad = id("pad_token", names.pad_token)?;
            special.bos = special.bos.or(bos);
            special.eos = special.eos.or(eos);
            special.pad = special.pad.or(pad);
        }
        special.stops.extend(special.eos);
        for file in ["generation_config.json", "config.json"] {
            let numbers: Numbers = read_json_if_present(&folder.join(file))?;
            let (bos, eos) = (ids(numbers.bos_token_id), ids(numbers.eos_token_id));
            special.bos = special.bos.or(bos.first().copied());
            special.eos = special.eos.or(eos.first().copied());
            special.pad = special.pad.or(ids(numbers.pad_token_id).first().copied());
            special.stops.extend(eos);
        }
        special.pad = special.pad.or(special.eos);
        special.stops.sort_unstable();
        special.stops.dedup();
        Ok(special)
    }
}

/// Negative numbers stand for no token.
fn ids(numbers: Option<OneOrMany>) -> Vec<u32> {
    let numbers = match numbers {
        None => Vec::new(),
        Some(OneOrMany::One(number)) => vec![number],
        Some(OneOrMany::Many(numbers)) => numbers,
    };
    let ids = numbers.into_iter().map(u32::try_from);
    ids.filter_map(Result::ok).collect()
}
