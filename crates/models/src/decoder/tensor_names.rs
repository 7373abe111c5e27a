//! The tensors that a model has in a file, and what to make of those that it has not.

use std::collections::BTreeMap;

use super::{
    DecoderConfig,
    model_weights::ModelWeights,
    tied_pair::{EMBEDDING, HEAD, TiedPair},
};
use crate::import::{ImportError, Misshaped};

/// Tables that checkpoints carry although the configuration or the code tells them.
const TABLES: [&str; 9] = [
    "rotary_emb.inv_freq",
    "rotary_emb.original_inv_freq",
    "rotary_emb.cos_cached",
    "rotary_emb.sin_cached",
    "rotary_emb_local.inv_freq",
    "embed_tokens.embed_scale",
    "position_ids",
    "self_attn.bias",
    "self_attn.masked_bias",
];

/// Endings of parameters, those of quantised and adapted layers among them. A tensor with one of these endings may have
/// a part in what the model computes; without, it is a table or a counter.
const PARAMETERS: [&str; 10] = [
    "weight",
    "bias",
    "scale",
    "scale_inv",
    "scales",
    "zeros",
    "lora_A",
    "lora_B",
    "absmax",
    "gamma",
];

/// Check that every tensor has its place and every parameter its tensor; a note about tensors that were passed over.
///
/// # Errors
/// When they do not fit one another; every tensor is named.
pub(super) fn check(
    folder: &ModelWeights,
    config: &DecoderConfig,
    pair: TiedPair,
) -> Result<Option<String>, ImportError> {
    let path = || folder.path().to_owned();
    if folder.shape(pair.embedding()).is_none() {
        return Err(ImportError::OtherModel {
            path: path(),
            kind: "decoder in Hugging Face's names",
            expected: EMBEDDING,
            found: folder.names().into_iter().take(3).cloned().collect(),
        });
    }
    let expected = expected_shapes(config, pair);
    let (mut missing, mut misshaped) = (Vec::new(), Vec::new());
    for (name, expected) in &expected {
        match folder.shape(name) {
            None => missing.push(folder.name_in_file(name)),
            Some(found) if found == expected => {}
            Some(found) => misshaped.push(Misshaped {
                name: folder.name_in_file(name),
                found: found.to_vec(),
                expected: expected.clone(),
            }),
        }
    }
    let repeats = |name: &String| pair == TiedPair::Equal && name == HEAD;
    let is_table = |name: &String| TABLES.iter().any(|table| name.ends_with(table));
    let others = folder
        .names()
        .into_iter()
        .filter(|name| !expected.contains_key(*name) && !repeats(name) && !is_table(name));
    let (unexpected, passed_over): (Vec<String>, Vec<String>) = others
        .map(|name| folder.name_in_file(name))
        .partition(|name| is_parameter(name));
    if missing.is_empty() && unexpected.is_empty() && misshaped.is_empty() {
        let note = |names: Vec<String>| {
            let (path, names) = (folder.path().display(), names.join(", "));
            format!("{path}: passed over, as no parameter of this model: {names}")
        };
        return Ok((!passed_over.is_empty()).then(|| note(passed_over)));
    }
    Err(ImportError::Tensors {
        path: path(),
        missing,
        unexpected,
        misshaped,
    })
}

fn is_parameter(name: &str) -> bool {
    let last = name.rsplit_once('.').map_or(name, |(_, last)| last);
    let ends = |ending: &&'static str| last == *ending || last.ends_with(&format!("_{ending}"));
    PARAMETERS.iter().any(ends) || last.starts_with("qweight")
}

fn expected_shapes(config: &DecoderConfig, pair: TiedPair) -> BTreeMap<String, Vec<usize>> {
    let (width, vocabulary) = (config.hidden_size, config.vocab_size);
    let mut shapes = BTreeMap::new();
    shapes.insert(pair.embedding().to_owned(), vec![vocabulary, width]);
    if !config.tie_word_embeddings {
        shapes.insert(EMBEDDING.to_owned(), vec![vocabulary, width]);
        shapes.insert(HEAD.to_owned(), vec![vocabulary, width]);
    }
    shapes.insert("model.norm.weight".to_owned(), vec![width]);
    for layer in 0..config.num_hidden_layers {
        for (name, shape) in layer_shapes(config) {
            shapes.insert(format!("model.layers.{layer}.{name}"), shape);
        }
    }
    shapes
}

fn layer_shapes(config: &DecoderConfig) -> Vec<(String, Vec<usize>)> {
    let (family, width, hidden) = (config.family, config.hidden_size, config.intermediate_size);
    let [queries, keys] = config.projected();
    let fused = family.fuses_projections();
    let projections = match fused {
        true => vec![("qkv_proj", queries + 2 * keys)],
        false => vec![("q_proj", queries), ("k_proj", keys), ("v_proj", keys)],
    };
    let inner = match fused {
        true => vec![("gate_up_proj", 2 * hidden)],
        false => vec![("gate_proj", hidden), ("up_proj", hidden)],
    };
    let mut norms = vec![
        ("input_layernorm", width),
        ("post_attention_layernorm", width),
    ];
    if family.normalises_outputs() {
        norms.push(("pre_feedforward_layernorm", width));
        norms.push(("post_feedforward_layernorm", width));
    }
    if family.normalises_queries_and_keys() {
        norms.push(("self_attn.q_norm", config.head_dim));
        norms.push(("self_attn.k_norm", config.head_dim));
    }
    let mut shapes = vec![
        ("self_attn.o_proj.weight".to_owned(), vec![width, queries]),
        ("mlp.down_proj.weight".to_owned(), vec![width, hidden]),
    ];
    for (name, outputs) in projections {
        shapes.push((format!("self_attn.{name}.weight"), vec![outputs, width]));
        if family.qkv_bias() {
            shapes.push((format!("self_attn.{name}.bias"), vec![outputs]));
        }
    }
    for (name, outputs) in inner {
        shapes.push((format!("mlp.{name}.weight"), vec![outputs, width]));
    }
    for (name, features) in norms {
        shapes.push((format!("{name}.weight"), vec![features]));
    }
    shapes
}
