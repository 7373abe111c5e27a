//! Tokens that the files beside a tokenizer name: beginning, end, padding and others that are not text.

use serde::Deserialize;
use serde_json::{Map, Value};
use treelora_core::Error;

use super::tokenizer_files::TokenizerFiles;

/// Files with names, the one that goes first in front.
const FILES: [&str; 2] = ["tokenizer_config.json", "special_tokens_map.json"];
/// The keys that every tokenizer has, in transformers' order.
const KEYS: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];
/// Lists of further special tokens, the older key last.
const LISTS: [&str; 2] = ["extra_special_tokens", "additional_special_tokens"];

/// Tokens by what they are for.
#[derive(Debug, Default)]
pub(super) struct TokenNames {
    /// Key, name and the file that has it; the first file's where both have one.
    pub(super) named: Vec<(String, NamedToken)>,
    /// Special tokens without a purpose of their own.
    pub(super) further: Vec<NamedToken>,
}

/// A token by its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedToken {
    pub(super) content: String,
    /// How it is found in a text, where the file says so.
    pub(super) flags: Flags,
    pub(super) file: &'static str,
}

/// How a token is found in a text, as far as a file says; what it leaves out has the library's defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Flags {
    pub(super) single_word: bool,
    pub(super) lstrip: bool,
    pub(super) rstrip: bool,
    pub(super) normalized: Option<bool>,
}

impl TokenNames {
    /// Read them.
    ///
    /// # Errors
    /// When a file is damaged, or a name is no text.
    pub(super) fn read(files: &TokenizerFiles) -> Result<Self, Error> {
        let mut names = Self::default();
        for file in FILES {
            let path = files.path_of(file);
            let fields: Map<String, Value> = files.json_if_present(file)?;
            let token = |key: &str, value: &Value| {
                let kind = "must be a token's text, or an object with its `content`";
                NamedToken::of(value, file)
                    .map_err(|_| Error::format(&path, format!("`{key}` is {value}, {kind}")))
            };
            let others = fields.iter().filter(|(key, value)| {
                key.ends_with("_token") && !KEYS.contains(&key.as_str()) && value.is_string()
            });
            let others = others.map(|(key, _)| key.as_str());
            for key in KEYS.into_iter().chain(others) {
                let value = fields.get(key).filter(|value| !value.is_null());
                if let (Some(value), None) = (value, names.get(key)) {
                    names.named.push((key.to_owned(), token(key, value)?));
                }
            }
            for key in LISTS {
                let entries: Vec<&Value> = match fields.get(key) {
                    Some(Value::Array(values)) => values.iter().collect(),
                    // By a key of their own, as processors of pictures and sounds have them.
                    Some(Value::Object(values)) => values.values().collect(),
                    _ => continue,
                };
                for value in entries {
                    let token = token(key, value)?;
                    if names.further.iter().all(|t| t.content != token.content) {
                        names.further.push(token);
                    }
                }
            }
        }
        Ok(names)
    }

    /// The token of a key such as `eos_token`.
    pub(super) fn get(&self, key: &str) -> Option<&NamedToken> {
        let named = self.named.iter().find(|(known, _)| known == key);
        named.map(|(_, token)| token)
    }

    /// Whether a token is that of a key.
    pub(super) fn has_use(&self, content: &str) -> bool {
        self.named.iter().any(|(_, token)| token.content == content)
    }

    /// Every token, in the order in which transformers gives ids to new ones.
    pub(super) fn all(&self) -> impl Iterator<Item = &NamedToken> {
        let rank = |key: &str| KEYS.into_iter().position(|known| known == key);
        let mut named: Vec<&(String, NamedToken)> = self.named.iter().collect();
        named.sort_by_key(|(key, _)| rank(key).unwrap_or(KEYS.len()));
        let named = named.into_iter().map(|(_, token)| token);
        named.chain(&self.further)
    }
}

impl NamedToken {
    fn of(value: &Value, file: &'static str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Described {
            content: String,
            #[serde(flatten)]
            flags: Flags,
        }
        let described = match value.as_str() {
            Some(content) => Described {
                content: content.to_owned(),
                flags: Flags::default(),
            },
            None => serde_json::from_value(value.clone())?,
        };
        Ok(Self {
            content: described.content,
            flags: described.flags,
            file,
        })
    }
}
