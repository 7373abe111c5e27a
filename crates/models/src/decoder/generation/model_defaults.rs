//! What a model's own files say about generating with it.

use std::path::Path;

use serde_json::{Map, Value};
use treelora_core::{Error, read_json, token_ids};

use super::score_rules::ScoreRules;

/// The file that says how to generate; where it is missing, transformers takes the fields from the model's file.
const FILE: &str = "generation_config.json";
const MODEL_FILE: &str = "config.json";

/// Fields that other settings here stand for, that concern memory, speed or what is returned, or that have an effect
/// under another field alone, which is looked at.
const WITHOUT_INFLUENCE: [&str; 36] = [
    "_commit_hash",
    "_from_model_config",
    "assistant_confidence_threshold",
    "assistant_early_exit",
    "assistant_ensemble_weight",
    "assistant_lookbehind",
    "bos_token_id",
    "cache_config",
    "cache_implementation",
    "compile_config",
    "continuous_batching_config",
    "decoder_start_token_id",
    "disable_compile",
    "diversity_penalty",
    "early_stopping",
    "eos_token_id",
    "is_assistant",
    "length_penalty",
    "low_memory",
    "max_cache_len",
    "max_matching_ngram_size",
    "num_assistant_tokens",
    "num_assistant_tokens_schedule",
    "output_attentions",
    "output_hidden_states",
    "output_logits",
    "output_scores",
    "pad_token_id",
    "prefill_chunk_size",
    "prompt_lookup_num_tokens",
    "renormalize_logits",
    "return_dict_in_generate",
    "speculation_type",
    "target_lookbehind",
    "transformers_version",
    "use_cache",
];

/// Fields that are followed.
const FOLLOWED: [&str; 8] = [
    "sequence_bias",
    "repetition_penalty",
    "no_repeat_ngram_size",
    "bad_words_ids",
    "min_length",
    "min_new_tokens",
    "suppress_tokens",
    "begin_suppress_tokens",
];

/// Fields that change what transformers generates and are not followed, each with the number that switches it off, if
/// one does.
const NAMED: [(&str, Option<f64>); 21] = [
    ("constraints", None),
    ("custom_generate", None),
    ("dola_layers", None),
    ("encoder_no_repeat_ngram_size", Some(0.0)),
    ("encoder_repetition_penalty", Some(1.0)),
    ("exponential_decay_length_penalty", None),
    ("force_words_ids", None),
    ("forced_bos_token_id", None),
    ("forced_eos_token_id", None),
    ("guidance_scale", Some(1.0)),
    ("max_length", None),
    ("max_new_tokens", None),
    ("max_time", None),
    ("num_beam_groups", Some(1.0)),
    ("num_beams", Some(1.0)),
    ("num_return_sequences", Some(1.0)),
    ("penalty_alpha", Some(0.0)),
    ("remove_invalid_values", None),
    ("stop_strings", None),
    ("token_healing", None),
    ("watermarking_config", None),
];

/// Fields of a draw; without `do_sample` they have no effect.
const DRAW: [&str; 9] = [
    "do_sample",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "top_h",
    "typical_p",
    "epsilon_cutoff",
    "eta_cutoff",
];

/// How a model's files want it to generate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GenerationDefaults {
    /// What is followed.
    pub rules: ScoreRules,
    /// What is not followed though it changes what transformers generates, a sentence each.
    pub notes: Vec<String>,
}

impl GenerationDefaults {
    /// From `generation_config.json` of a model's folder, or `config.json` where there is none; a GGUF
    /// file asks for nothing. `context` is the longest text of the model, at which it ends anyway.
    ///
    /// # Errors
    /// When the file is damaged, or a field that is followed is not what it should be.
    pub fn load(folder: &Path, context: usize) -> Result<Self, Error> {
        let path = folder.join(FILE);
        if path.exists() {
            return Self::of_file(&path, context, |_| true);
        }
        let path = folder.join(MODEL_FILE);
        match path.exists() {
            // There, everything else is the model's, and lengths are the old defaults of its library.
            true => Self::of_file(&path, context, |key| {
                let known = FOLLOWED.contains(&key) || DRAW.contains(&key);
                let named = NAMED.iter().any(|(name, _)| *name == key);
                (known || named) && !key.starts_with("max_")
            }),
            false => Ok(Self::default()),
        }
    }

    fn of_file(path: &Path, context: usize, counts: impl Fn(&str) -> bool) -> Result<Self, Error> {
        let mut fields: Map<String, Value> = read_json(path)?;
        fields.retain(|key, value| counts(key) && !value.is_null());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let rules = rules(&fields).map_err(|problem| Error::format(path, problem))?;
        let notes = notes(&fields, context);
        Ok(Self {
            rules,
            notes: notes
                .into_iter()
                .map(|note| format!("{name}: {note}"))
                .collect(),
        })
    }
}

fn rules(fields: &Map<String, Value>) -> Result<ScoreRules, String> {
    let kind = |key: &str, kind: &str| {
        let value = fields.get(key).unwrap_or(&Value::Null);
        format!("`{key}` is {value}, must be {kind}")
    };
    let number = |key: &str, default: f64| match fields.get(key) {
        None => Ok(default),
        Some(value) => value.as_f64().ok_or_else(|| kind(key, "a number")),
    };
    let size = |key: &str| match fields.get(key) {
        None => Ok(0),
        Some(value) => value
            .as_u64()
            .and_then(|size| size.try_into().ok())
            .ok_or_else(|| kind(key, "a whole number")),
    };
    let tokens = |key: &str| {
        let ids = token_ids(fields.get(key).unwrap_or(&Value::Null));
        ids.map_err(|problem| format!("`{key}` {problem}"))
    };
    let bad_words = || -> Option<Vec<Vec<u32>>> {
        let Some(sequences) = fields.get("bad_words_ids") else {
            return Some(Vec::new());
        };
        let sequences = sequences.as_array()?.iter().map(sequence);
        Some(
            sequences
                .collect::<Option<Vec<_>>>()?
                .into_iter()
                .flatten()
                .collect(),
        )
    };
    let biases = || -> Option<Vec<(Vec<u32>, f64)>> {
        let Some(pairs) = fields.get("sequence_bias") else {
            return Some(Vec::new());
        };
        let pairs = pairs
            .as_array()?
            .iter()
            .map(|pair| match pair.as_array()?.as_slice() {
                [ids, bias] => Some((sequence(ids)?, bias.as_f64()?)),
                _ => None,
            });
        let pairs = pairs.collect::<Option<Vec<_>>>()?.into_iter();
        Some(pairs.filter_map(|(ids, bias)| Some((ids?, bias))).collect())
    };
    let rules = ScoreRules {
        sequence_bias: biases()
            .ok_or_else(|| kind("sequence_bias", "a list of [list of tokens, number]"))?,
        repetition_penalty: number("repetition_penalty", 1.0)?,
        no_repeat_ngram_size: size("no_repeat_ngram_size")?,
        bad_words_ids: bad_words()
            .ok_or_else(|| kind("bad_words_ids", "a list of lists of tokens"))?,
        min_length: size("min_length")?,
        min_new_tokens: size("min_new_tokens")?,
        suppress_tokens: tokens("suppress_tokens")?,
        begin_suppress_tokens: tokens("begin_suppress_tokens")?,
    };
    match rules.validate() {
        Ok(()) => Ok(rules),
        Err(Error::Setting { key, problem }) => Err(format!("`{key}` {problem}")),
        Err(other) => Err(other.to_string()),
    }
}

/// A sequence of tokens; an inner `None` for one with a negative id, which is no token, so that it never comes about.
fn sequence(value: &Value) -> Option<Option<Vec<u32>>> {
    let given = value.as_array()?;
    let ids = token_ids(value).ok()?;
    Some((ids.len() == given.len()).then_some(ids))
}

fn notes(fields: &Map<String, Value>, context: usize) -> Vec<String> {
    let mut notes = Vec::new();
    if fields.get("do_sample") == Some(&Value::Bool(true)) {
        let others = DRAW[1..].iter().filter_map(|key| {
            let value = fields.get(*key)?;
            Some(format!("{key} = {value}"))
        });
        let others: Vec<String> = others.collect();
        let others = match others.as_slice() {
            [] => String::new(),
            others => format!(" ({})", others.join(", ")),
        };
        notes.push(format!(
            "`do_sample` is true{others}, but the best token is taken here unless a temperature is asked for"
        ));
    }
    for (key, value) in fields {
        let key = key.as_str();
        if WITHOUT_INFLUENCE.contains(&key) || FOLLOWED.contains(&key) || DRAW.contains(&key) {
            continue;
        }
        let off = match value {
            Value::Bool(value) => !value,
            Value::Array(items) => items.is_empty(),
            Value::Object(entries) => entries.is_empty(),
            // Lengths in the order of the context are not what ends an answer.
            _ if key == "max_length" => value
                .as_u64()
                .is_some_and(|length| length >= context as u64),
            value => NAMED
                .iter()
                .any(|(name, off)| *name == key && off.is_some() && value.as_f64() == *off),
        };
        if off {
            continue;
        }
        notes.push(match (key, NAMED.iter().any(|(name, _)| *name == key)) {
            ("max_length" | "max_new_tokens", _) => {
                format!("`{key}` is {value}, but the length of an answer is a setting here")
            }
            (_, true) => format!("`{key}` is {value}, which is not followed here"),
            (_, false) => format!("`{key}` is {value}, which is not known here and not followed"),
        });
    }
    notes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn defaults(file: &str, fields: Value) -> Result<GenerationDefaults, Error> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(file), fields.to_string()).unwrap();
        GenerationDefaults::load(folder.path(), 128)
    }

    #[test]
    fn fields_are_followed_named_or_without_influence() {
        let followed = json!({
            "repetition_penalty": 1.3, "no_repeat_ngram_size": 3, "bad_words_ids": [[4, 5], [6, -1]],
            "min_new_tokens": 2, "suppress_tokens": [-1, 7], "sequence_bias": [[[8], -2.5]],
            "eos_token_id": -1, "num_beams": 1, "guidance_scale": null, "max_length": 128, "temperature": 0.6,
            "do_sample": false, "stop_strings": [], "transformers_version": "5.0",
        });
        let read = defaults(FILE, followed).unwrap();
        let rules = ScoreRules {
            repetition_penalty: 1.3,
            no_repeat_ngram_size: 3,
            bad_words_ids: vec![vec![4, 5]],
            min_new_tokens: 2,
            suppress_tokens: vec![7],
            sequence_bias: vec![(vec![8], -2.5)],
            ..ScoreRules::default()
        };
        assert_eq!((read.rules, read.notes), (rules, Vec::new()));
        for (key, value) in [
            ("num_beams", json!(4)),
            ("guidance_scale", json!(1.5)),
            ("stop_strings", json!(["end"])),
            ("max_new_tokens", json!(20)),
            ("max_length", json!(20)),
            ("do_sample", json!(true)),
            ("watermarking_config", json!({ "bias": 2.0 })),
            ("field_of_tomorrow", json!(0.1)),
        ] {
            let notes = defaults(FILE, json!({ key: value })).unwrap().notes;
            assert_eq!(notes.len(), 1, "{key}: {notes:?}");
            let named = format!("{FILE}: `{key}` is {value}");
            assert!(notes[0].starts_with(&named), "{notes:?}");
        }
        let drawn = json!({ "do_sample": true, "temperature": 0.6, "top_p": 0.9 });
        let notes = defaults(FILE, drawn).unwrap().notes.concat();
        assert!(
            notes.contains("(temperature = 0.6, top_p = 0.9)"),
            "{notes}"
        );
    }

    #[test]
    fn the_file_of_the_model_stands_in() {
        let fields = json!({ "repetition_penalty": 1.2, "max_length": 20, "hidden_size": 32, "num_beams": 2 });
        let read = defaults(MODEL_FILE, fields).unwrap();
        assert_eq!(read.rules.repetition_penalty, 1.2);
        assert_eq!(read.notes.len(), 1, "{:?}", read.notes);
        assert!(read.notes[0].contains("num_beams"));
    }

    #[test]
    fn wrong_values_are_named() {
        for (key, value) in [
            ("repetition_penalty", json!(0.0)),
            ("repetition_penalty", json!("1.1")),
            ("no_repeat_ngram_size", json!(-2)),
            ("bad_words_ids", json!([4])),
            ("bad_words_ids", json!([[]])),
            ("sequence_bias", json!([[8, 1.0]])),
            ("suppress_tokens", json!(["a"])),
        ] {
            let error = defaults(FILE, json!({ key: value }))
                .unwrap_err()
                .to_string();
            assert!(error.contains(FILE) && error.contains(key), "{error}");
        }
    }
}
