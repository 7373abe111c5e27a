//! Folders that do not fit: every one is an error that names the file, the field and the tensors.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;
use treelora_core::{ContinualModel, read_json, write_json};
use treelora_models::{decoder::Decoder, import::ImportError};

use crate::fixture::{batch, bits, device, folder, largest_difference, model};

type File = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

const EMBEDDING: &str = "model.embed_tokens.weight";
const NORM: &str = "model.norm.weight";

/// A copy of a fixture that may be spoilt.
fn copy(name: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder(name)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    dir
}

fn weights(dir: &TempDir) -> PathBuf {
    dir.path().join("model.safetensors")
}

fn change_weights(dir: &TempDir, change: impl FnOnce(&mut File)) {
    let bytes = fs::read(weights(dir)).unwrap();
    let read = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = read.iter().map(|(name, view)| {
        let tensor = (view.dtype(), view.shape().to_vec(), view.data().to_vec());
        (name.to_owned(), tensor)
    });
    let mut file: File = tensors.collect();
    change(&mut file);
    let views = file.iter().map(|(name, (dtype, shape, bytes))| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    fs::write(weights(dir), safetensors::serialize(views, None).unwrap()).unwrap();
}

fn change_json(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = read_json(path).unwrap();
    change(&mut value);
    write_json(path, &value).unwrap();
}

fn load(dir: &TempDir) -> Result<Decoder, ImportError> {
    Decoder::load(dir.path(), &device())
}

#[track_caller]
fn assert_names(error: &ImportError, parts: &[&str]) {
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn every_tensor_that_does_not_fit_is_named() {
    let dir = copy("llama");
    change_weights(&dir, |file| {
        file.remove("model.layers.1.mlp.up_proj.weight").unwrap();
        file.remove(NORM).unwrap();
        file.insert(
            "model.layers.2.extra".into(),
            (Dtype::F32, vec![1], vec![0; 4]),
        );
        let (_, shape, _) = file
            .get_mut("model.layers.0.self_attn.k_proj.weight")
            .unwrap();
        *shape = vec![48, 16];
    });
    let error = load(&dir).unwrap_err();
    assert!(matches!(error, ImportError::Tensors { .. }));
    assert_names(
        &error,
        &[
            "model.safetensors",
            "missing: model.layers.1.mlp.up_proj.weight, model.norm.weight",
            "unexpected: model.layers.2.extra",
            "model.layers.0.self_attn.k_proj.weight [48, 16] in place of [16, 48]",
        ],
    );
}

#[test]
fn another_kind_of_model_is_recognised() {
    let dir = copy("llama");
    change_weights(&dir, |file| {
        file.clear();
        file.insert("cls_token".into(), (Dtype::F32, vec![1], vec![0; 4]));
    });
    let error = load(&dir).unwrap_err();
    assert!(matches!(error, ImportError::OtherModel { .. }));
    assert_names(&error, &["Hugging Face", EMBEDDING, "cls_token"]);
}

#[test]
fn numbers_that_are_none_are_found() {
    for (value, printed) in [(f32::NAN, "NaN"), (f32::NEG_INFINITY, "-inf")] {
        for name in [NORM, EMBEDDING, "model.layers.0.mlp.down_proj.weight"] {
            let dir = copy("llama");
            change_weights(&dir, |file| {
                let (_, _, bytes) = file.get_mut(name).unwrap();
                bytes[20..24].copy_from_slice(&value.to_le_bytes());
            });
            let error = load(&dir).unwrap_err();
            assert!(matches!(error, ImportError::NotFinite { position: 5, .. }));
            assert_names(&error, &["model.safetensors", name, printed]);
        }
    }
}

#[test]
fn a_folder_with_pickles_alone_says_so_and_how_to_convert_them() {
    let dir = copy("llama");
    fs::remove_file(weights(&dir)).unwrap();
    fs::write(
        dir.path().join("pytorch_model.bin"),
        b"\x80\x02}q\0X\x01\0\0\0a",
    )
    .unwrap();
    fs::write(
        dir.path().join("training_args.bin"),
        b"\x80\x02}q\0X\x01\0\0\0a",
    )
    .unwrap();
    let error = load(&dir).unwrap_err();
    assert!(
        matches!(error, ImportError::NoSafetensors { .. }),
        "{error}"
    );
    assert_names(
        &error,
        &["model.safetensors", "pytorch_model.bin", "torch.load"],
    );
    let file = dir.path().join("model.gguf");
    fs::write(&file, b"GGUF\x03\0\0\0").unwrap();
    let error = Decoder::load(&file, &device()).unwrap_err();
    assert_names(&error, &["model.gguf", "a file, where a folder", "GGUF"]);
}

#[test]
fn damaged_files_are_errors_and_never_panics() {
    let whole = fs::read(folder("llama").join("model.safetensors")).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for length in [3, 8, 9, header / 2, header, header + 5, whole.len() - 1] {
        let dir = copy("llama");
        fs::write(weights(&dir), &whole[..length]).unwrap();
        let error = load(&dir).unwrap_err();
        assert!(
            matches!(error, ImportError::Damaged { .. }),
            "{length}: {error}"
        );
        assert_names(&error, &["model.safetensors"]);
    }
}

#[test]
fn a_type_that_is_not_read_is_named() {
    let dir = copy("llama");
    change_weights(&dir, |file| file.get_mut(NORM).unwrap().0 = Dtype::I32);
    let error = load(&dir).unwrap_err();
    assert!(matches!(error, ImportError::Type { .. }));
    assert_names(&error, &[NORM, "I32"]);
}

#[test]
fn half_precision_loads() {
    let exact = model("llama").logits(&batch());
    type Narrow = (Dtype, fn(f32) -> [u8; 2], f32);
    let narrow: [Narrow; 2] = [
        (Dtype::F16, |value| f16::from_f32(value).to_le_bytes(), 0.05),
        (
            Dtype::BF16,
            |value| bf16::from_f32(value).to_le_bytes(),
            0.3,
        ),
    ];
    for (half, convert, tolerance) in narrow {
        let dir = copy("llama");
        change_weights(&dir, |file| {
            for (dtype, _, bytes) in file.values_mut() {
                let values = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b));
                (*dtype, *bytes) = (half, values.flat_map(convert).collect());
            }
        });
        let logits = load(&dir).unwrap().logits(&batch());
        let difference = largest_difference(logits, exact.clone());
        assert!(
            difference > 0.0 && difference < tolerance,
            "{half:?}: {difference}"
        );
    }
}

#[test]
fn shards_that_do_not_fit_their_index_are_named() {
    const INDEX: &str = "model.safetensors.index.json";
    let second = "model-00002-of-00002.safetensors";

    let dir = copy("sharded");
    fs::remove_file(dir.path().join(second)).unwrap();
    let error = load(&dir).unwrap_err();
    assert!(matches!(error, ImportError::MissingShard { .. }));
    assert_names(&error, &[INDEX, second]);

    let dir = copy("sharded");
    let index = dir.path().join(INDEX);
    change_json(&index, |index| {
        index["weight_map"][NORM] = json!("../model.safetensors")
    });
    assert_names(&load(&dir).unwrap_err(), &[INDEX, "../model.safetensors"]);

    let dir = copy("sharded");
    let index = dir.path().join(INDEX);
    change_json(&index, |index| {
        index["weight_map"]["model.extra"] = json!(second)
    });
    assert_names(&load(&dir).unwrap_err(), &[second, "missing: model.extra"]);

    let dir = copy("sharded");
    let index = dir.path().join(INDEX);
    change_json(&index, |index| {
        index["weight_map"]
            .as_object_mut()
            .unwrap()
            .remove(NORM)
            .unwrap();
    });
    assert_names(&load(&dir).unwrap_err(), &["unexpected: model.norm.weight"]);

    let dir = copy("sharded");
    fs::write(dir.path().join(INDEX), "{").unwrap();
    assert_names(&load(&dir).unwrap_err(), &[INDEX]);
}

#[test]
fn a_configuration_that_does_not_fit_is_named() {
    for (key, value, parts) in [
        ("model_type", json!("mamba"), ["`model_type`", "mamba"]),
        (
            "rope_scaling",
            json!({"rope_type": "yarn", "factor": 2.0}),
            ["rope_type", "yarn"],
        ),
        ("hidden_size", json!("wide"), ["`hidden_size`", "wide"]),
        ("vocab_size", Value::Null, ["`vocab_size`", "missing"]),
    ] {
        let dir = copy("llama");
        let path = dir.path().join("config.json");
        change_json(&path, |config| config[key] = value);
        let error = load(&dir).unwrap_err();
        assert_names(&error, &["config.json"]);
        assert_names(&error, &parts);
    }
    let dir = copy("llama");
    fs::remove_file(dir.path().join("config.json")).unwrap();
    assert_names(&load(&dir).unwrap_err(), &["config.json"]);
    let dir = copy("llama");
    fs::remove_file(weights(&dir)).unwrap();
    assert_names(&load(&dir).unwrap_err(), &["model.safetensors"]);
}

#[test]
fn a_head_beside_a_tied_embedding_must_be_the_embedding() {
    let dir = copy("llama3");
    change_weights(&dir, |file| {
        let embedding = file[EMBEDDING].clone();
        file.insert("lm_head.weight".into(), embedding);
        // A table of early checkpoints.
        let table = "model.layers.0.self_attn.rotary_emb.inv_freq";
        file.insert(table.into(), (Dtype::F32, vec![4], vec![0; 16]));
    });
    let logits = load(&dir).unwrap().logits(&batch());
    assert_eq!(bits(logits), bits(model("llama3").logits(&batch())));
    change_weights(&dir, |file| {
        file.get_mut("lm_head.weight").unwrap().2[0] ^= 1
    });
    assert_names(&load(&dir).unwrap_err(), &["unexpected: lm_head.weight"]);
}
