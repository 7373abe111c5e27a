//! What a tokenizer puts around a text.

use serde_json::{Map, Value, json};
use treelora_core::{Error, GgufFile};

use super::vocabulary::{BEGINNING, END, Vocabulary};

const ADD_BEGINNING: &str = "tokenizer.ggml.add_bos_token";
const ADD_END: &str = "tokenizer.ggml.add_eos_token";

/// `post_processor` of `tokenizer.json`; `begins` where the file does not say whether a token begins a text.
///
/// # Errors
/// When a token is to be put there and not named.
pub(super) fn post_processor(
    file: &GgufFile,
    vocabulary: &Vocabulary,
    begins: bool,
) -> Result<Value, Error> {
    let mut tokens = Map::new();
    let mut token = |key: &str, adds: &str, default: bool| -> Result<Vec<Value>, Error> {
        if !file.flag(adds)?.unwrap_or(default) {
            return Ok(Vec::new());
        }
        let id = vocabulary.id(file, key)?.ok_or_else(|| file.missing(key))?;
        let name = &vocabulary.tokens[id];
        let described = json!({ "id": name, "ids": [id], "tokens": [name] });
        tokens.insert(name.clone(), described);
        Ok(vec![
            json!({ "SpecialToken": { "id": name, "type_id": 0 } }),
        ])
    };
    let before = token(BEGINNING, ADD_BEGINNING, begins)?;
    let after = token(END, ADD_END, false)?;
    if tokens.is_empty() {
        return Ok(Value::Null);
    }
    let text = |id: &str| vec![json!({ "Sequence": { "id": id, "type_id": 0 } })];
    let around = |inner: Vec<Value>| [before.clone(), inner, after.clone()].concat();
    let pair = [around(text("A")), around(text("B"))].concat();
    Ok(json!({
        "type": "TemplateProcessing",
        "single": around(text("A")),
        "pair": pair,
        "special_tokens": tokens,
    }))
}
