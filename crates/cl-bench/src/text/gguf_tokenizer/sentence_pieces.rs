//! Vocabularies of SentencePiece's byte pairs: what is joined first is told by scores.

use std::{cmp::Ordering, collections::HashMap};

use serde_json::{Value, json};
use treelora_core::{Error, GgufFile};

use super::{
    post_processor::post_processor,
    vocabulary::{TOKENS, UNKNOWN, Use, Vocabulary},
};

const SCORES: &str = "tokenizer.ggml.scores";
const SPACE_PREFIX: &str = "tokenizer.ggml.add_space_prefix";

/// What stands for a blank.
const BLANK: &str = "\u{2581}";

/// `tokenizer.json`.
///
/// # Errors
/// When scores are missing, or not as many as the tokens.
pub(super) fn tokenizer(file: &GgufFile, vocabulary: &Vocabulary) -> Result<Value, Error> {
    let scores = file.numbers(SCORES)?.ok_or_else(|| file.missing(SCORES))?;
    if scores.len() != vocabulary.tokens.len() {
        let (scores, tokens) = (scores.len(), vocabulary.tokens.len());
        let problem = format!("`{SCORES}` has {scores} entries, `{TOKENS}` {tokens}");
        return Err(file.error(problem).into());
    }
    let unknown = vocabulary.id(file, UNKNOWN)?;
    let unknown = unknown.map(|id| vocabulary.tokens[id].as_str());
    let mut normalizers = vec![json!({
        "type": "Replace", "pattern": { "String": " " }, "content": BLANK,
    })];
    let mut decoders = vec![
        json!({ "type": "Replace", "pattern": { "String": BLANK }, "content": " " }),
        json!({ "type": "ByteFallback" }),
        json!({ "type": "Fuse" }),
    ];
    if file.flag(SPACE_PREFIX)?.unwrap_or(true) {
        normalizers.insert(0, json!({ "type": "Prepend", "prepend": BLANK }));
        decoders.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
    }
    Ok(json!({
        "version": "1.0",
        "added_tokens": vocabulary.added(),
        "normalizer": { "type": "Sequence", "normalizers": normalizers },
        "pre_tokenizer": null,
        "post_processor": post_processor(file, vocabulary, true)?,
        "decoder": { "type": "Sequence", "decoders": decoders },
        "model": {
            "type": "BPE",
            "unk_token": unknown,
            "fuse_unk": true,
            "byte_fallback": true,
            "ignore_merges": false,
            "vocab": vocabulary.ids(),
            "merges": merges(vocabulary, &scores),
        },
    }))
}

/// Each way to join two tokens to a third, best first, in the order that transformers gives them.
fn merges(vocabulary: &Vocabulary, scores: &[f64]) -> Vec<[String; 2]> {
    let tokens = vocabulary.tokens.iter().zip(&vocabulary.uses).enumerate();
    let texts = tokens.filter(|(_, (_, of))| **of == Use::Text);
    let texts: Vec<(usize, &str)> = texts.map(|(id, (token, _))| (id, token.as_str())).collect();
    let ids: HashMap<&str, usize> = texts.iter().map(|(id, token)| (*token, *id)).collect();
    let mut merges = Vec::new();
    for (id, token) in texts {
        let cuts = token
            .char_indices()
            .skip(1)
            .map(|(at, _)| token.split_at(at));
        let mut pairs: Vec<[usize; 2]> = cuts
            .filter_map(|(left, right)| Some([*ids.get(left)?, *ids.get(right)?]))
            .collect();
        pairs.sort_unstable();
        merges.extend(pairs.into_iter().map(|pair| (id, pair)));
    }
    let letters = |id: usize| vocabulary.tokens[id].chars().count();
    merges.sort_by(|(one, [left, right]), (other, [left_of, right_of])| {
        let of_scores = scores[*other].total_cmp(&scores[*one]);
        let longer = |a: usize, b: usize| letters(b).cmp(&letters(a));
        let lengths = || longer(*left, *left_of).then_with(|| longer(*right, *right_of));
        match of_scores {
            Ordering::Equal => lengths(),
            decided => decided,
        }
    });
    let token = |id: usize| vocabulary.tokens[id].clone();
    merges
        .into_iter()
        .map(|(_, [left, right])| [token(left), token(right)])
        .collect()
}
