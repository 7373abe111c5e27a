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
            "model.layers.2.norm.weight".into(),
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
            "unexpected: model.layers.2.norm.weight",
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
    let file = dir.path().join("model.h5");
    fs::write(&file, b"\x89HDF\r\n\x1a\n").unwrap();
    let error = Decoder::load(&file, &device()).unwrap_err();
    assert_names(&error, &["model.h5", "a file, where a folder", "HDF5"]);
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
    for (dtype, bytes) in [(Dtype::I32, 4), (Dtype::F8_E4M3, 1)] {
        let dir = copy("llama");
        change_weights(&dir, |file| {
            let (found, shape, values) = file.get_mut(NORM).unwrap();
            *found = dtype;
            *values = vec![0; shape[0] * bytes];
        });
        let error = load(&dir).unwrap_err();
        assert!(matches!(error, ImportError::Type { .. }));
        assert_names(&error, &[NORM, &format!("{dtype:?}")]);
    }
}

#[test]
fn double_precision_loads() {
    let dir = copy("llama");
    change_weights(&dir, |file| {
        for (dtype, _, bytes) in file.values_mut() {
            let values = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b));
            let wide = values.flat_map(|value| f64::from(value).to_le_bytes());
            (*dtype, *bytes) = (Dtype::F64, wide.collect());
        }
    });
    let logits = load(&dir).unwrap().logits(&batch());
    assert_eq!(bits(logits), bits(model("llama").logits(&batch())));
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

    // A parameter that no shard has, although the index says so.
    let dir = copy("sharded");
    let (first, index) = ("model-00001-of-00002.safetensors", dir.path().join(INDEX));
    let shard = fs::read(dir.path().join(first)).unwrap();
    fs::write(dir.path().join(second), shard).unwrap();
    assert!(index.exists());
    assert_names(&load(&dir).unwrap_err(), &[INDEX, "missing: ", NORM]);

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

/// What transformers loads without a word, or with a warning.
#[test]
fn an_index_need_not_list_every_tensor_nor_every_tensor_be_there() {
    const INDEX: &str = "model.safetensors.index.json";
    let whole = load(&copy("sharded")).unwrap().logits(&batch());
    for change in [
        |map: &mut Value| map["lm_head.extra"] = json!("model-00001-of-00002.safetensors"),
        |map: &mut Value| map[NORM] = json!("model-00001-of-00002.safetensors"),
        |map: &mut Value| drop(map.as_object_mut().unwrap().remove(NORM)),
    ] {
        let dir = copy("sharded");
        change_json(&dir.path().join(INDEX), |index| {
            change(&mut index["weight_map"])
        });
        assert_eq!(
            bits(load(&dir).unwrap().logits(&batch())),
            bits(whole.clone())
        );
    }
}

#[test]
fn tables_and_counters_do_no_harm_and_are_told_of_where_they_are_not_known() {
    let dir = copy("llama");
    change_weights(&dir, |file| {
        for name in [
            "model.layers.0.self_attn.rotary_emb.inv_freq",
            "model.rotary_emb.inv_freq",
            "model.layers.1.self_attn.rotary_emb.cos_cached",
            "model.embed_tokens.position_ids",
            "model.steps_taken",
        ] {
            file.insert(name.into(), (Dtype::F32, vec![4], vec![0; 16]));
        }
    });
    let loaded = load(&dir).unwrap();
    assert_eq!(
        bits(loaded.logits(&batch())),
        bits(model("llama").logits(&batch()))
    );
    let [note] = loaded.notes() else {
        panic!("{:?}", loaded.notes())
    };
    assert!(note.contains("model.safetensors") && note.ends_with(": model.steps_taken"));
    assert!(model("llama").notes().is_empty());
}

#[test]
fn either_name_holds_the_matrix_of_a_tied_pair() {
    let expected = bits(model("llama3").logits(&batch()));
    let both = copy("llama3");
    change_weights(&both, |file| {
        let embedding = file[EMBEDDING].clone();
        file.insert("lm_head.weight".into(), embedding);
    });
    let head_alone = copy("llama3");
    change_weights(&head_alone, |file| {
        let embedding = file.remove(EMBEDDING).unwrap();
        file.insert("lm_head.weight".into(), embedding);
    });
    // Equal numbers of another type.
    let wide = copy("llama3");
    change_weights(&wide, |file| {
        let (_, shape, bytes) = file[EMBEDDING].clone();
        let values = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b));
        let bytes = values.flat_map(|value| f64::from(value).to_le_bytes());
        file.insert(
            "lm_head.weight".into(),
            (Dtype::F64, shape, bytes.collect()),
        );
    });
    for dir in [both, head_alone, wide] {
        let loaded = load(&dir).unwrap();
        assert_eq!(bits(loaded.logits(&batch())), expected);
        assert!(loaded.lm_head.is_none() && loaded.notes().is_empty());
    }
    // Of an untied model both are needed.
    let dir = copy("llama");
    change_weights(&dir, |file| drop(file.remove("lm_head.weight")));
    assert_names(&load(&dir).unwrap_err(), &["missing: lm_head.weight"]);
    let dir = copy("llama");
    change_weights(&dir, |file| drop(file.remove(EMBEDDING)));
    assert_names(&load(&dir).unwrap_err(), &[EMBEDDING]);
}

#[test]
fn different_matrices_are_not_tied_whatever_the_configuration_says() {
    let dir = copy("llama");
    change_json(&dir.path().join("config.json"), |config| {
        config["tie_word_embeddings"] = json!(true);
    });
    let loaded = load(&dir).unwrap();
    assert_eq!(
        bits(loaded.logits(&batch())),
        bits(model("llama").logits(&batch()))
    );
    assert!(!loaded.config().tie_word_embeddings);
    let [note] = loaded.notes() else {
        panic!("{:?}", loaded.notes())
    };
    for part in [
        "model.safetensors",
        EMBEDDING,
        "lm_head.weight",
        "tie_word_embeddings",
    ] {
        assert!(note.contains(part), "{note}");
    }
}
