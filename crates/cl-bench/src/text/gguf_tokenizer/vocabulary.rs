//! The tokens of a GGUF file, and what they are for.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use treelora_core::{Error, GgufFile};

/// The tokens in the order of their ids.
pub(super) const TOKENS: &str = "tokenizer.ggml.tokens";
/// Where the id of the token is that begins a text.
pub(super) const BEGINNING: &str = "tokenizer.ggml.bos_token_id";
/// Of the one that ends it.
pub(super) const END: &str = "tokenizer.ggml.eos_token_id";
/// Of the one for what no other stands for.
pub(super) const UNKNOWN: &str = "tokenizer.ggml.unknown_token_id";
const TYPES: &str = "tokenizer.ggml.token_type";

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// A piece of text.
    Text,
    /// No text, but found where one looks like it: the unknown one and those that control.
    Control,
    /// Text that is found whole before everything else.
    Whole,
    /// Nothing, or a byte.
    Other,
}

/// Tokens and uses, as many of either, no token twice.
#[derive(Debug)]
pub(super) struct Vocabulary {
    pub(super) tokens: Vec<String>,
    pub(super) uses: Vec<Use>,
}

impl Vocabulary {
    /// Read both lists.
    ///
    /// # Errors
    /// When the file has no tokens, one twice, or lists of different length.
    pub(super) fn read(file: &GgufFile) -> Result<Self, Error> {
        let tokens = file.texts(TOKENS)?.ok_or_else(|| file.missing(TOKENS))?;
        if tokens.is_empty() {
            return Err(file.error(format!("`{TOKENS}` is empty")).into());
        }
        let uses = match file.numbers(TYPES)? {
            None => vec![Use::Text; tokens.len()],
            Some(types) => types.iter().map(|kind| Use::of(*kind)).collect(),
        };
        if uses.len() != tokens.len() {
            let (types, tokens) = (uses.len(), tokens.len());
            let problem = format!("`{TYPES}` has {types} entries, `{TOKENS}` {tokens}");
            return Err(file.error(problem).into());
        }
        let mut ids = HashMap::new();
        for (id, token) in tokens.iter().enumerate() {
            if let Some(other) = ids.insert(token.as_str(), id) {
                let problem = format!("`{TOKENS}` has `{token}` twice, at {other} and {id}");
                return Err(file.error(problem).into());
            }
        }
        Ok(Self { tokens, uses })
    }

    /// The id at a key, if there is one.
    ///
    /// # Errors
    /// When no token has it.
    pub(super) fn id(&self, file: &GgufFile, key: &str) -> Result<Option<usize>, Error> {
        let Some(id) = file.count(key)? else {
            return Ok(None);
        };
        match usize::try_from(id) {
            Ok(id) if id < self.tokens.len() => Ok(Some(id)),
            // Some converters wrote -1 for none, in 32 bits without a sign.
            _ if id == u64::from(u32::MAX) => Ok(None),
            _ => {
                let tokens = self.tokens.len();
                let problem = format!("`{key}` is {id}, but `{TOKENS}` has {tokens} entries");
                Err(file.error(problem).into())
            }
        }
    }

    /// `vocab` of `tokenizer.json`.
    pub(super) fn ids(&self) -> Map<String, Value> {
        let ids = self.tokens.iter().enumerate();
        ids.map(|(id, token)| (token.clone(), json!(id))).collect()
    }

    /// `added_tokens` of `tokenizer.json`: what is looked for in a text before it is cut.
    pub(super) fn added(&self) -> Vec<Value> {
        let tokens = self.tokens.iter().zip(&self.uses).enumerate();
        let added = tokens.filter(|(_, (token, of))| {
            !token.is_empty() && matches!(of, Use::Control | Use::Whole)
        });
        added
            .map(|(id, (token, of))| {
                json!({
                    "id": id,
                    "content": token,
                    "single_word": false,
                    "lstrip": false,
                    "rstrip": false,
                    "normalized": false,
                    "special": *of == Use::Control,
                })
            })
            .collect()
    }
}

impl Use {
    /// By llama.cpp's number.
    fn of(kind: f64) -> Self {
        match kind {
            1.0 => Self::Text,
            2.0 | 3.0 => Self::Control,
            4.0 => Self::Whole,
            _ => Self::Other,
        }
    }
}
