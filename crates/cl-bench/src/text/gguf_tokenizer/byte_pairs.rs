//! Vocabularies of bytes that are joined by a list of merges.

use serde_json::{Value, json};
use treelora_core::{Error, GgufFile};

use super::{
    post_processor::post_processor,
    pre_tokenizers::{PreTokenizer, byte_level},
    vocabulary::Vocabulary,
};

const MERGES: &str = "tokenizer.ggml.merges";

/// `tokenizer.json`.
///
/// # Errors
/// When merges are missing or no pairs, or texts are cut in a way that is not known.
pub(super) fn tokenizer(file: &GgufFile, vocabulary: &Vocabulary) -> Result<Value, Error> {
    let cut = PreTokenizer::of(file)?;
    let normalizer = match cut.composes {
        true => json!({ "type": "NFC" }),
        false => Value::Null,
    };
    Ok(json!({
        "version": "1.0",
        "added_tokens": vocabulary.added(),
        "normalizer": normalizer,
        "pre_tokenizer": cut.value(),
        "post_processor": post_processor(file, vocabulary, cut.adds_beginning)?,
        "decoder": byte_level(),
        "model": {
            "type": "BPE",
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": cut.takes_whole_parts,
            "vocab": vocabulary.ids(),
            "merges": merges(file)?,
        },
    }))
}

fn merges(file: &GgufFile) -> Result<Vec<Value>, Error> {
    let merges = file.texts(MERGES)?.ok_or_else(|| file.missing(MERGES))?;
    let pairs = merges.iter().enumerate().map(|(index, merge)| {
        // Behind the first character, which may be a blank itself.
        let first = merge.chars().next().map_or(0, char::len_utf8);
        let split = merge[first..].split_once(' ');
        let (left, right) = split.ok_or_else(|| {
            file.error(format!(
                "`{MERGES}` has `{merge}` at {index}, must be two tokens"
            ))
        })?;
        Ok(json!([format!("{}{left}", &merge[..first]), right]))
    });
    pairs.collect()
}
