//! Metadata as the fields of `config.json`.

use serde_json::{Map, Value, json};
use treelora_core::{Error, GgufError, GgufFile};

use super::{architecture::Architecture, rope_factors};
use crate::decoder::{DecoderConfig, Family};

/// Fields of `config.json` that are whole numbers, their keys, and whether llama.cpp has no model without them.
const COUNTS: [(&str, &str, bool); 8] = [
    ("hidden_size", "embedding_length", true),
    ("intermediate_size", "feed_forward_length", true),
    ("num_hidden_layers", LAYERS, true),
    ("num_attention_heads", "attention.head_count", true),
    ("num_key_value_heads", "attention.head_count_kv", false),
    ("max_position_embeddings", "context_length", true),
    ("head_dim", HEAD_DIM, false),
    ("sliding_window", WINDOW, false),
];

/// Those with a fraction.
const NUMBERS: [(&str, &str, bool); 5] = [
    ("rms_norm_eps", "attention.layer_norm_rms_epsilon", true),
    ("rope_theta", "rope.freq_base", false),
    ("rope_local_base_freq", "rope.freq_base_swa", false),
    ("attn_logit_softcapping", "attn_logit_softcapping", false),
    ("final_logit_softcapping", "final_logit_softcapping", false),
];

/// Ids of tokens, under keys that all architectures share.
const TOKENS: [(&str, &str); 3] = [
    ("bos_token_id", "tokenizer.ggml.bos_token_id"),
    ("eos_token_id", "tokenizer.ggml.eos_token_id"),
    ("pad_token_id", "tokenizer.ggml.padding_token_id"),
];

const LAYERS: &str = "block_count";
const HEAD_DIM: &str = "attention.key_length";
const WINDOW: &str = "attention.sliding_window";
const WINDOW_PATTERN: &str = "attention.sliding_window_pattern";
const EMBEDDING: &str = "token_embd.weight";
const HEAD: &str = "output.weight";
/// llama.cpp's, where a file names none.
const ROPE_THETA: f64 = 1e4;

/// The shape of the model that a file holds.
///
/// # Errors
/// When a key is missing or of another type, or a value is out of range or not supported; the message names the file and
/// the key.
pub(super) fn config(
    file: &GgufFile,
    architecture: &Architecture,
) -> Result<DecoderConfig, GgufError> {
    refuse_unsupported(file, architecture)?;
    let fields = fields(file, architecture)?;
    let mut config = DecoderConfig::from_fields(&fields).map_err(|error| match error {
        Error::Setting { key, problem } => {
            file.error(format!("{} {problem}", named(&key, architecture)))
        }
        other => file.error(other.to_string()),
    })?;
    rope_factors::apply(file, &mut config)?;
    Ok(config)
}

/// The fields that `config.json` would have.
fn fields(file: &GgufFile, architecture: &Architecture) -> Result<Map<String, Value>, GgufError> {
    let mut fields = Map::new();
    let mut set = |key: &str, value: Value| fields.insert(key.to_owned(), value);
    let family = architecture.family;
    set("model_type", json!(family.name()));
    let count = |name: &str| file.count(&architecture.key(name));
    for (field, name, required) in COUNTS {
        match count(name)? {
            None if required => return Err(file.missing(&architecture.key(name))),
            None => {}
            value => {
                set(field, json!(value));
            }
        }
    }
    for (field, name, required) in NUMBERS {
        match file.number(&architecture.key(name))? {
            None if required => return Err(file.missing(&architecture.key(name))),
            None => {}
            // Some converters write 0 for no cap, where `config.json` has `null`.
            Some(0.0) if field.ends_with("softcapping") => {
                set(field, Value::Null);
            }
            value => {
                set(field, json!(value));
            }
        }
    }
    if !file.has(&architecture.key("rope.freq_base")) && family != Family::Gemma3 {
        set("rope_theta", json!(ROPE_THETA));
    }
    let head_dim = head_dim(file, architecture)?;
    if let Some(head_dim) = head_dim {
        set("head_dim", json!(head_dim));
    }
    if let Some(layers) = architecture.layers_of_scaled_share {
        let scalar = match count(LAYERS)? == Some(layers) {
            true => equal_share(file, architecture)?,
            false => head_dim,
        };
        set("query_pre_attn_scalar", json!(scalar));
        let pattern = architecture.key(WINDOW_PATTERN);
        match file.is_list(&pattern) {
            true => {
                let kinds = file.flags(&pattern)?.unwrap_or_default();
                let kinds = kinds.into_iter().map(|slides| match slides {
                    true => "sliding_attention",
                    false => "full_attention",
                });
                set("layer_types", kinds.collect());
            }
            false => {
                if let Some(every) = count(WINDOW_PATTERN)? {
                    set("sliding_window_pattern", json!(every));
                }
            }
        }
    }
    if let Some(factor) = linear_factor(file, architecture)? {
        set(
            "rope_scaling",
            json!({ "rope_type": "linear", "factor": factor }),
        );
    }
    set("vocab_size", json!(vocabulary(file, architecture)?));
    // Some converters write the matrix of a tied pair twice.
    let tied = file.shape(HEAD).is_none() || file.are_equal(EMBEDDING, HEAD);
    set("tie_word_embeddings", json!(tied));
    for (field, key) in TOKENS {
        // Some wrote -1 for none, in 32 bits without a sign.
        if let Some(id) = file.count(key)?.filter(|id| *id != u64::from(u32::MAX)) {
            set(field, json!(id));
        }
    }
    Ok(fields)
}

/// Features of a head.
fn head_dim(file: &GgufFile, architecture: &Architecture) -> Result<Option<u64>, GgufError> {
    match file.count(&architecture.key(HEAD_DIM))? {
        Some(head_dim) => Ok(Some(head_dim)),
        None => equal_share(file, architecture),
    }
}

/// What each head has of the width; `None` where there are no heads.
fn equal_share(file: &GgufFile, architecture: &Architecture) -> Result<Option<u64>, GgufError> {
    let count = |name: &str| file.count(&architecture.key(name));
    let (width, heads) = (count("embedding_length")?, count("attention.head_count")?);
    Ok(width
        .zip(heads)
        .and_then(|(width, heads)| width.checked_div(heads)))
}

/// The factor by which all positions are closer, if there is one.
fn linear_factor(file: &GgufFile, architecture: &Architecture) -> Result<Option<f64>, GgufError> {
    let kind = architecture.key("rope.scaling.type");
    let factor = file.number(&architecture.key("rope.scaling.factor"))?;
    let older = file.number(&architecture.key("rope.scale_linear"))?;
    let stretches = |factor: Option<f64>| factor.filter(|factor| *factor != 1.0 && *factor != 0.0);
    match file.text(&kind)? {
        None => Ok(stretches(factor.or(older))),
        Some("none") => Ok(None),
        Some("linear") => Ok(stretches(factor)),
        Some(other) => Err(file.error(format!("`{kind}` is `{other}`, read are none, linear"))),
    }
}

/// Rows of the embedding, which the file may say too.
fn vocabulary(file: &GgufFile, architecture: &Architecture) -> Result<u64, GgufError> {
    let Some([rows, _]) = file.shape(EMBEDDING) else {
        return Err(file.error(format!("no decoder: it has no matrix `{EMBEDDING}`")));
    };
    let key = architecture.key("vocab_size");
    match file.count(&key)? {
        Some(vocabulary) if vocabulary != *rows as u64 => Err(file.error(format!(
            "`{key}` is {vocabulary}, but `{EMBEDDING}` has {rows} rows"
        ))),
        _ => Ok(*rows as u64),
    }
}

/// Refuse what would change the results and is not computed here.
fn refuse_unsupported(file: &GgufFile, architecture: &Architecture) -> Result<(), GgufError> {
    let count = |name: &str| file.count(&architecture.key(name));
    let refuse = |name: &str, problem: String| {
        Err(file.error(format!("`{}` {problem}", architecture.key(name))))
    };
    if let Some(experts) = count("expert_count")?.filter(|experts| *experts > 0) {
        return refuse(
            "expert_count",
            format!("is {experts}: mixtures of experts are not read"),
        );
    }
    let head_dim = head_dim(file, architecture)?;
    for (name, what) in [
        ("attention.value_length", "features of a head's values"),
        ("rope.dimension_count", "features of a head that turn"),
    ] {
        if let (Some(head_dim), Some(found)) = (head_dim, count(name)?)
            && found != head_dim
        {
            return refuse(
                name,
                format!("is {found} ({what}), must be the {head_dim} of its keys"),
            );
        }
    }
    // Before anything is made for each layer.
    let tensors = file.names().count() as u64;
    match count(LAYERS)? {
        Some(layers) if layers > tensors => refuse(
            LAYERS,
            format!("is {layers}, but the file has {tensors} tensors"),
        ),
        _ => Ok(()),
    }
}

/// A field of `config.json` by the key that it comes from.
fn named(field: &str, architecture: &Architecture) -> String {
    let counts = COUNTS.iter().chain(&NUMBERS);
    let own = counts.map(|(known, name, _)| (*known, architecture.key(name)));
    let shared = TOKENS.map(|(known, key)| (known, key.to_owned()));
    let scaling = (
        "rope_scaling.factor",
        architecture.key("rope.scaling.factor"),
    );
    let pattern = [
        ("layer_types", architecture.key(WINDOW_PATTERN)),
        ("sliding_window_pattern", architecture.key(WINDOW_PATTERN)),
    ];
    let mut all = own.chain(shared).chain([scaling]).chain(pattern);
    match all.find(|(known, _)| *known == field) {
        Some((_, key)) => format!("`{key}` (`{field}` of config.json)"),
        None => format!("`{field}` of config.json, as its metadata tell it,"),
    }
}
