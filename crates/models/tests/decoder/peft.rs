//! Adapters that PEFT made, on the layers and both ends of a decoder (xtask/golden/peft_decoder.py).

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::Tensor;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;
use treelora_core::{TensorFile, read_json, write_json};
use treelora_lora::{
    AdapterSnapshot, LoraConfig,
    peft::{self, ModuleNames, PeftOptions},
};
use treelora_models::decoder::{Decoder, TokenGrid};

use crate::fixture::{Expected, bits, device, folder, largest_difference, model};

/// Largest difference that counts as the same logit in `f32`.
const TOLERANCE: f32 = 1e-4;

/// An adapter, its base, the layers that it adapts in each, and whether the base is tied.
const CASES: [(&str, &str, usize, bool); 6] = [
    ("tied_head", "llama3", 2 + 1, true),
    ("tied_embedding", "gemma2", 2 + 1, true),
    ("untied_head", "mistral", 2 + 1, false),
    ("saved_modules", "qwen3", 2, false),
    ("saved_head_of_tied", "smollm3", 3, true),
    ("fused_layers", "phi3", 2 * 2, false),
];

fn fixture(name: &str) -> PathBuf {
    folder("").join("../decoder_peft").join(name)
}

/// Logits of the tokens that the reference has.
fn logits(model: &Decoder, base: &str, tokens: usize) -> Tensor<2> {
    let row = &Expected::of(base).rows[0][..tokens];
    model
        .forward(&TokenGrid::right_padded(&[row]))
        .squeeze_dim(0)
}

fn expected(name: &str) -> Tensor<2> {
    let file = TensorFile::load(&fixture(name).join("expected.safetensors")).unwrap();
    file.tensor("logits", &device()).unwrap()
}

#[test]
fn logits_under_an_adapter_of_peft_are_those_of_peft() {
    for (name, base, layers, is_tied) in CASES {
        assert_eq!(model(base).lm_head.is_none(), is_tied, "{base}");
        let adapted = model(base).with_peft_adapter(&fixture(name)).unwrap();
        let expected = expected(name);
        let [tokens, _] = expected.dims();
        let effect = largest_difference(logits(&model(base), base, tokens), expected.clone());
        assert!(effect > 1.0, "{name} does nothing");
        let difference = largest_difference(logits(&adapted, base, tokens), expected);
        assert!(
            difference <= TOLERANCE,
            "{name}: logits differ by {difference}"
        );
        assert_eq!(
            AdapterSnapshot::of(&adapted).layers().len(),
            layers,
            "{name}"
        );
    }
}

/// The head too, and under the names of PEFT.
#[test]
fn what_is_written_for_peft_has_every_tensor_of_its_own_file() {
    for (name, base, ..) in CASES {
        let adapted = model(base).with_peft_adapter(&fixture(name)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let options = PeftOptions {
            names: ModuleNames::causal_lm(),
            ..PeftOptions::default()
        };
        peft::save(dir.path(), &AdapterSnapshot::of(&adapted), &options).unwrap();
        let ours = tensors(dir.path());
        let mut theirs = tensors(&fixture(name));
        theirs.retain(|name, _| name.contains(".lora_"));
        assert!(
            ours == theirs,
            "{name}: {:?} {:?}",
            ours.keys(),
            theirs.keys()
        );
    }
}

#[test]
fn a_pattern_finds_the_ends_of_a_tied_model() {
    let ready = |base, pattern: &str| {
        let lora = LoraConfig {
            target_modules: vec![pattern.to_owned()],
            ..LoraConfig::new(2, 4.0)
        };
        model(base).ready_for(&lora).unwrap().lm_head.is_some()
    };
    assert!(ready("llama3", r"(q_proj|lm_head)\.weight$"));
    assert!(ready("llama3", "embed_tokens"));
    assert!(!ready("llama3", "q_proj"));
    assert!(ready("llama", "q_proj"));
}

type File = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

fn tensors(dir: &Path) -> File {
    let bytes = fs::read(dir.join("adapter_model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.iter().map(|(name, view)| {
        let tensor = (view.dtype(), view.shape().to_vec(), view.data().to_vec());
        (name.to_owned(), tensor)
    });
    tensors.collect()
}

/// A copy of an adapter that may be changed.
fn changed(name: &str, change: impl FnOnce(&mut File, &mut Value)) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut file = tensors(&fixture(name));
    let mut config: Value = read_json(&fixture(name).join("adapter_config.json")).unwrap();
    change(&mut file, &mut config);
    write_json(&dir.path().join("adapter_config.json"), &config).unwrap();
    let views = file.iter().map(|(name, (dtype, shape, bytes))| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    fs::write(dir.path().join("adapter_model.safetensors"), bytes).unwrap();
    dir
}

const HEAD: &str = "base_model.model.lm_head.base_layer.weight";

#[test]
fn a_copy_that_was_trained_takes_the_place_of_the_base_where_it_can() {
    // Half of every value of the copy.
    let halve = |file: &mut File, _: &mut Value| {
        let (_, _, bytes) = file.get_mut(HEAD).unwrap();
        let values = bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b) / 2.0);
        *bytes = values.flat_map(f32::to_le_bytes).collect();
    };
    let dir = changed("untied_head", halve);
    let adapted = model("mistral").with_peft_adapter(dir.path()).unwrap();
    let plain = model("mistral")
        .with_peft_adapter(&fixture("untied_head"))
        .unwrap();
    let head = |model: &Decoder| model.lm_head.as_ref().unwrap().weight.base();
    assert_eq!(bits(head(&adapted)), bits(head(&plain) / 2.0));

    // Not so where the head is the embedding as well.
    let dir = changed("tied_head", halve);
    let error = model("llama3").with_peft_adapter(dir.path()).unwrap_err();
    let error = error.to_string();
    for word in [HEAD, "tied", "modules_to_save"] {
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn what_the_model_cannot_hold_is_named() {
    let refused = |base, dir: TempDir, words: &[&str]| {
        let error = model(base).with_peft_adapter(dir.path()).unwrap_err();
        let error = error.to_string();
        for word in words {
            assert!(error.contains(word), "`{word}` is not in: {error}");
        }
    };
    let resized = changed("untied_head", |file, _| {
        let (_, shape, bytes) = file.get_mut(HEAD).unwrap();
        shape[0] += 2;
        bytes.extend([0; 2 * 48 * 4]);
    });
    refused(
        "mistral",
        resized,
        &[HEAD, "[103, 48]", "[101, 48]", "resized"],
    );
    let together = changed("tied_head", |_, config| {
        config["ensure_weight_tying"] = json!(true);
    });
    refused("llama3", together, &["ensure_weight_tying"]);
    let elsewhere = changed("saved_modules", |file, _| {
        let norm = file.remove("base_model.model.model.norm.weight").unwrap();
        file.insert("base_model.model.model.last_norm.weight".into(), norm);
    });
    refused("qwen3", elsewhere, &["modules_to_save", "`norm`"]);
}
