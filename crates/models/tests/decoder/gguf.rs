//! GGUF files: the logits of transformers and the ids of llama.cpp (xtask/golden/gguf_models.py), and files that are
//! refused.

use std::{fs, path::PathBuf};

use burn::tensor::Tensor;
use treelora_core::TensorFile;
use treelora_models::{
    Precision,
    decoder::{
        Decoder, DecoderConfig, GenerationConfig, GenerationRequest, RopeScaling, TokenGrid,
    },
    import::ImportError,
};

use crate::fixture::{device, largest_difference};

const MODELS: [&str; 10] = [
    "llama",
    "llama3",
    "llama_linear",
    "quantised",
    "qwen2",
    "qwen3",
    "gemma",
    "gemma2",
    "gemma3",
    "written_twice",
];

/// Largest difference that counts as the same logit in `f32`.
const TOLERANCE: f32 = 1e-4;

fn path(file: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/gguf");
    PathBuf::from(folder).join(file)
}

fn load(name: &str) -> Decoder {
    Decoder::load(&path(&format!("{name}.gguf")), &device()).unwrap()
}

struct Expected {
    ids: Vec<u32>,
    logits: Tensor<2>,
    continued: Vec<u32>,
}

impl Expected {
    fn of(name: &str) -> Self {
        let file = TensorFile::load(&path(&format!("{name}.safetensors"))).unwrap();
        let integers = |name| {
            let values = file.integers(name).unwrap();
            values.iter().map(|id| *id as u32).collect::<Vec<_>>()
        };
        Self {
            ids: integers("ids"),
            logits: file.tensor("logits", &device()).unwrap(),
            continued: integers("continued"),
        }
    }
}

#[test]
fn logits_are_those_of_transformers_and_greedy_ids_those_of_llama_cpp() {
    for name in MODELS {
        let (model, expected) = (load(name), Expected::of(name));
        let logits = model.forward(&TokenGrid::right_padded(&[&expected.ids]));
        let difference = largest_difference(logits.squeeze_dim(0), expected.logits);
        assert!(
            difference <= TOLERANCE,
            "{name}: logits differ by {difference}"
        );
        let greedy = GenerationConfig {
            max_new_tokens: expected.continued.len(),
            ..GenerationConfig::default()
        };
        let request = GenerationRequest {
            prompt: expected.ids,
            stream: 0,
        };
        let ours = model.generate(&[request], &greedy, |_, _| {}).unwrap();
        assert_eq!(ours[0].ids, expected.continued, "{name}");
        assert_eq!(model.notes(), [] as [String; 0]);
    }
}

#[test]
fn the_configuration_is_that_of_transformers() {
    for name in MODELS {
        let folder = tempfile::tempdir().unwrap();
        let json = path(&format!("{name}.json"));
        fs::copy(json, folder.path().join("config.json")).unwrap();
        let theirs = DecoderConfig::load(folder.path()).unwrap();
        assert_eq!(load(name).config(), &theirs, "{name}");
    }
    let scaling = load("llama3").config().rope_scaling;
    assert!(matches!(scaling, RopeScaling::Llama3 { factor: 8.0, .. }));
}

#[test]
fn a_frozen_base_may_be_bf16() {
    let expected = Expected::of("quantised");
    let file = path("quantised.gguf");
    let model = Decoder::load_in(&file, Precision::Bf16, &device()).unwrap();
    let logits = model.forward(&TokenGrid::right_padded(&[&expected.ids]));
    let difference = largest_difference(logits.squeeze_dim(0), expected.logits);
    assert!(
        (1e-3..0.5).contains(&difference),
        "logits differ by {difference}"
    );
}

/// A fixture with bytes in the place of others, of the same length, wherever they are.
fn changed(name: &str, changes: &[(&[u8], &[u8])]) -> Result<Decoder, ImportError> {
    let mut bytes = fs::read(path(&format!("{name}.gguf"))).unwrap();
    for (from, to) in changes {
        assert_eq!(from.len(), to.len());
        let places: Vec<usize> = (0..bytes.len() - from.len())
            .filter(|at| bytes[*at..].starts_with(from))
            .collect();
        assert!(!places.is_empty(), "{}", String::from_utf8_lossy(from));
        for at in places {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.gguf");
    fs::write(&file, bytes).unwrap();
    Decoder::load(&file, &device())
}

#[track_caller]
fn assert_refused(name: &str, changes: &[(&[u8], &[u8])], parts: &[&str]) {
    let error = changed(name, changes).unwrap_err();
    let message = error.to_string();
    for part in parts.iter().chain(&["model.gguf"]) {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    // What the program prints says no less.
    let shown = treelora_core::Error::from(error).to_string();
    assert!(shown.contains("model.gguf"), "{shown}");
}

/// An integer of the metadata: its type, then four bytes.
fn integer(key: &str, value: u32) -> Vec<u8> {
    [key.as_bytes(), &4u32.to_le_bytes(), &value.to_le_bytes()].concat()
}

#[test]
fn architectures_that_are_not_read_are_named() {
    assert_refused(
        "llama",
        &[(b"llama", b"mamba")],
        &["`general.architecture`", "`mamba`", "llama, qwen2"],
    );
    assert_refused(
        "llama",
        &[(b"general.architecture", b"general.architecturf")],
        &["no `general.architecture`"],
    );
    assert_refused(
        "llama",
        &[(b"\x05\0\0\0\0\0\0\0model", b"\x05\0\0\0\0\0\0\0mmpro")],
        &["`general.type`", "`mmpro`"],
    );
}

#[test]
fn keys_that_are_missing_or_out_of_range_are_named() {
    for key in [
        "embedding_length",
        "block_count",
        "context_length",
        "feed_forward_length",
        "attention.head_count",
        "attention.layer_norm_rms_epsilon",
    ] {
        let key = format!("llama.{key}");
        let mut other = key.clone().into_bytes();
        *other.last_mut().unwrap() = b'_';
        // The name before the type, so that no longer key that begins so is renamed.
        let kind: &[u8] = match key.ends_with("epsilon") {
            true => &[6, 0, 0, 0],
            false => &[4, 0, 0, 0],
        };
        let from = [key.as_bytes(), kind].concat();
        let to = [&other, kind].concat();
        assert_refused("llama", &[(&from, &to)], &[&format!("no `{key}`")]);
    }
    for (key, value, to, parts) in [
        ("llama.block_count", 2, 3, &["blk.2.attn_q.weight"][..]),
        (
            "llama.block_count",
            2,
            1,
            &["blk.1.attn_q.weight", "unexpected"],
        ),
        (
            "llama.block_count",
            2,
            u32::MAX,
            &["`llama.block_count`", "4294967295", "tensors"],
        ),
        ("llama.block_count", 2, 0, &["`llama.block_count`", "0"]),
        (
            "llama.feed_forward_length",
            36,
            40,
            &["blk.0.ffn_gate.weight [36, 32]", "[40, 32]"],
        ),
        (
            "llama.vocab_size",
            61,
            62,
            &["`llama.vocab_size`", "62", "61"],
        ),
        (
            "llama.attention.head_count_kv",
            2,
            3,
            &["`llama.attention.head_count`", "4", "3"],
        ),
        (
            "llama.attention.head_count",
            4,
            0,
            &["`llama.attention.head_count`", "0"],
        ),
        (
            "llama.rope.dimension_count",
            8,
            4,
            &["`llama.rope.dimension_count`", "4", "8"],
        ),
        (
            "tokenizer.ggml.eos_token_id",
            2,
            61,
            &["`tokenizer.ggml.eos_token_id`", "61"],
        ),
    ] {
        let change = (integer(key, value), integer(key, to));
        assert_refused("llama", &[(&change.0, &change.1)], parts);
    }
    let key = "qwen2.embedding_length";
    assert_refused(
        "qwen2",
        &[(&integer(key, 32), &integer(key, 64))],
        &["token_embd.weight [61, 32] in place of [61, 64]"],
    );
    let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    assert_refused(
        "llama_linear",
        &[(&text("linear"), &text("dynami"))],
        &["`llama.rope.scaling.type`", "`dynami`", "linear"],
    );
}

#[test]
fn tensors_that_are_missing_or_spoilt_are_named() {
    assert_refused(
        "llama",
        &[(b"token_embd.weight", b"token_embe.weight")],
        &["token_embd.weight"],
    );
    assert_refused(
        "qwen2",
        &[(b"blk.1.attn_q.bias", b"blk.1.attn_r.bias")],
        &[
            "missing: blk.1.attn_q.bias",
            "unexpected: blk.1.attn_r.bias",
        ],
    );
    // Type 0 is F32, 10 is Q2_K; both sides of the vector before it.
    let entry = |kind: u32| {
        let sides = [&1u32.to_le_bytes()[..], &32u64.to_le_bytes()].concat();
        [b"output_norm.weight", &sides[..], &kind.to_le_bytes()].concat()
    };
    assert_refused(
        "llama",
        &[(&entry(0), &entry(10))],
        &["`output_norm.weight`", "Q2_K", "Q4_K"],
    );
    let file = treelora_core::GgufFile::open(&path("llama.gguf")).unwrap();
    let first = file.values("output_norm.weight").unwrap()[0];
    assert_refused(
        "llama",
        &[(&first.to_le_bytes(), &f32::NAN.to_le_bytes())],
        &["`output_norm.weight`", "NaN", "position 0"],
    );
    let factors = treelora_core::GgufFile::open(&path("llama3.gguf")).unwrap();
    let factors = factors.values("rope_freqs.weight").unwrap();
    let last = factors.last().unwrap();
    assert_refused(
        "llama3",
        &[(&last.to_le_bytes(), &3f32.to_le_bytes())],
        &["`rope_freqs.weight`", "LLaMA 3"],
    );
}

/// `written_twice` has the matrix of its tied pair under both names: one that differs in a bit is a head of its own.
#[test]
fn a_matrix_that_is_written_twice_is_tied_and_a_different_one_is_not() {
    let tied = load("written_twice");
    assert!(tied.config().tie_word_embeddings && tied.lm_head.is_none());
    let mut bytes = fs::read(path("written_twice.gguf")).unwrap();
    // The last tensor is the head.
    let end = bytes.len() - 32;
    bytes[end] ^= 1;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.gguf");
    fs::write(&file, bytes).unwrap();
    let untied = Decoder::load(&file, &device()).unwrap();
    assert!(!untied.config().tie_word_embeddings && untied.lm_head.is_some());
}

#[test]
fn caps_of_zero_are_none() {
    let cap = |value: f32| {
        let key = b"gemma2.attn_logit_softcapping";
        [&key[..], &6u32.to_le_bytes(), &value.to_le_bytes()].concat()
    };
    let with = load("gemma2").config().attn_logit_softcapping;
    assert_eq!(with, Some(3.0));
    let without = changed("gemma2", &[(&cap(3.0), &cap(0.0))]).unwrap();
    assert_eq!(without.config().attn_logit_softcapping, None);
    assert_refused(
        "gemma2",
        &[(&cap(3.0), &cap(-1.0))],
        &["`gemma2.attn_logit_softcapping`", "-1"],
    );
}

#[test]
fn a_token_of_minus_one_is_none() {
    let id = |id: u32| integer("tokenizer.ggml.bos_token_id", id);
    let none = changed("llama", &[(&id(1), &id(u32::MAX))]).unwrap();
    assert_eq!(none.config().bos_token_id, None);
    assert_eq!(load("llama").config().bos_token_id, Some(1));
}
