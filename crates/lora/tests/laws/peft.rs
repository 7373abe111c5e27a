//! PEFT folders: what we write we read, and what we do not understand is named.

use std::{collections::BTreeMap, fs, path::Path};

use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;
use treelora_lora::{
    AdapterLayer, AdapterSnapshot, Selection, attach_bank,
    peft::{self, ModuleNames, PeftConfig, PeftOptions},
};
use treelora_testing::{
    blocks::{Model, adapted},
    compare::{assert_close, assert_same},
    snapshots::assert_same_snapshot,
};

/// Values without a pattern, in [-0.5, 0.5).
fn random(rows: usize, columns: usize, seed: usize) -> Tensor<2> {
    let value = |i: usize| ((i + 1) * (2 * seed + 7919) * 104_729 % 10_007) as f32 / 10_007.0 - 0.5;
    let values: Vec<f32> = (0..rows * columns).map(value).collect();
    Tensor::from_data(TensorData::new(values, [rows, columns]), &Device::default())
}

/// `d_in` is 6.
fn layer(path: &str, rank: usize, d_out: usize, scale: f64) -> AdapterLayer {
    let seed = path.bytes().map(usize::from).sum();
    AdapterLayer {
        path: path.to_owned(),
        a: random(6, rank, seed),
        b: random(rank, d_out, seed + 1),
        scale,
    }
}

fn decoder() -> AdapterSnapshot {
    AdapterSnapshot::from_layers(vec![
        layer("layers.2.self_attn.q_proj.weight", 2, 8, 7.0 / 2.0),
        layer("layers.10.self_attn.q_proj.weight", 2, 8, 7.0 / 2.0),
        layer("layers.2.self_attn.v_proj.weight", 3, 4, 7.0 / 3.0),
        layer("layers.10.self_attn.v_proj.weight", 5, 4, 0.1),
        layer("lm_head.weight", 2, 9, 1.5),
    ])
}

fn options(names: ModuleNames) -> PeftOptions {
    PeftOptions {
        names,
        ..PeftOptions::default()
    }
}

fn saved(snapshot: &AdapterSnapshot, options: &PeftOptions) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    peft::save(dir.path(), snapshot, options).unwrap();
    dir
}

fn config(dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join("adapter_config.json")).unwrap()).unwrap()
}

fn tensors(dir: &Path) -> BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)> {
    let bytes = fs::read(dir.join("adapter_model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let own = |(name, view): (String, TensorView)| {
        let tensor = (view.dtype(), view.shape().to_vec(), view.data().to_vec());
        (name, tensor)
    };
    file.tensors().into_iter().map(own).collect()
}

fn write_tensors(dir: &Path, tensors: &BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>) {
    let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    fs::write(dir.join("adapter_model.safetensors"), bytes).unwrap();
}

fn load(dir: &Path) -> Result<AdapterSnapshot, treelora_lora::LoraError> {
    peft::load(dir, &ModuleNames::causal_lm(), &Device::default())
}

fn delta(layer: &AdapterLayer) -> Tensor<2> {
    layer.a.clone().matmul(layer.b.clone()) * layer.scale
}

#[test]
fn a_folder_gives_the_snapshot_back_bit_for_bit() {
    for use_rslora in [false, true] {
        let options = PeftOptions {
            use_rslora,
            ..options(ModuleNames::causal_lm())
        };
        let mut layers = decoder().layers().to_vec();
        if use_rslora {
            // Scales that came from an alpha, as rank-stabilised adapters have them.
            for (alpha, layer) in [5.0, 5.0, 7.0, 2.5, 5.0].into_iter().zip(&mut layers) {
                layer.scale = alpha / (layer.a.dims()[1] as f64).sqrt();
            }
        }
        let snapshot = AdapterSnapshot::from_layers(layers);
        let dir = saved(&snapshot, &options);
        assert_same_snapshot(&load(dir.path()).unwrap(), &snapshot);
        let again = saved(&load(dir.path()).unwrap(), &options);
        for file in ["adapter_config.json", "adapter_model.safetensors"] {
            let [first, second] =
                [&dir, &again].map(|dir| fs::read(dir.path().join(file)).unwrap());
            assert!(first == second, "equal adapters make equal files");
        }
        let files = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(files, 2, "no temporary file is left");
        // Over an older adapter, too.
        let other = AdapterSnapshot::from_layers(vec![layer("lm_head.weight", 1, 9, 2.0)]);
        peft::save(dir.path(), &other, &options).unwrap();
        assert_same_snapshot(&load(dir.path()).unwrap(), &other);
    }
}

#[test]
fn the_files_are_those_of_peft() {
    let options = PeftOptions {
        task_type: Some("CAUSAL_LM".into()),
        base_model_name_or_path: Some("some/model".into()),
        lora_dropout: 0.1,
        ..options(ModuleNames::causal_lm())
    };
    let dir = saved(&decoder(), &options);
    let config = config(dir.path());
    for (key, value) in [
        ("peft_type", json!("LORA")),
        ("task_type", json!("CAUSAL_LM")),
        ("base_model_name_or_path", json!("some/model")),
        ("r", json!(2)),
        ("lora_alpha", json!(7)),
        ("lora_dropout", json!(0.1)),
        ("bias", json!("none")),
        ("use_rslora", json!(false)),
        ("fan_in_fan_out", json!(false)),
        ("inference_mode", json!(true)),
        (
            "rank_pattern",
            json!({r"^model\.layers\.2\.self_attn\.v_proj": 3, r"^model\.layers\.10\.self_attn\.v_proj": 5}),
        ),
        (
            "alpha_pattern",
            json!({r"^lm_head": 3, r"^model\.layers\.10\.self_attn\.v_proj": 0.5}),
        ),
        (
            "target_modules",
            json!([
                "lm_head",
                "model.layers.2.self_attn.q_proj",
                "model.layers.2.self_attn.v_proj",
                "model.layers.10.self_attn.q_proj",
                "model.layers.10.self_attn.v_proj",
            ]),
        ),
    ] {
        assert_eq!(config[key], value, "{key}");
    }
    let tensors = tensors(dir.path());
    let (dtype, shape, bytes) =
        &tensors["base_model.model.model.layers.2.self_attn.v_proj.lora_B.weight"];
    assert_eq!((*dtype, shape.as_slice()), (Dtype::F32, [4, 3].as_slice()));
    // Row 0, column 1 there is row 1, column 0 here.
    let b = decoder().layers()[1].b.clone();
    let expected: f32 = b.slice([1..2, 0..1]).into_scalar();
    assert_eq!(bytes[4..8], expected.to_le_bytes());
    let shape = &tensors["base_model.model.model.layers.2.self_attn.v_proj.lora_A.weight"].1;
    assert_eq!(shape.as_slice(), [3, 6]);
}

#[test]
fn the_settings_alone_can_be_read() {
    let dir = saved(&decoder(), &options(ModuleNames::causal_lm()));
    let config = PeftConfig::load(dir.path()).unwrap();
    assert_eq!((config.r, config.lora_alpha), (2, 7.0));
    assert_eq!(config.rank("model.layers.10.self_attn.v_proj"), 5);
    assert_eq!(config.scale("model.layers.10.self_attn.v_proj"), 0.1);
    assert_eq!(config.rank("encoder.model.layers.10.self_attn.v_proj"), 2);
}

proptest! {
    /// Any scale that is the quotient of an alpha.
    #[test]
    fn scales_keep_every_bit(alpha in 1e-3..1e3f64, rank in 1usize..40, use_rslora: bool) {
        let root = (rank as f64).sqrt();
        let scale = alpha / if use_rslora { root } else { rank as f64 };
        let snapshot = AdapterSnapshot::from_layers(vec![layer("q.weight", rank, 2, scale)]);
        let dir = saved(&snapshot, &PeftOptions { use_rslora, ..PeftOptions::default() });
        let read = PeftConfig::load(dir.path()).unwrap().scale("q");
        prop_assert_eq!(read.to_bits(), scale.to_bits());
    }

    /// A scale of another origin is at most a rounding away.
    #[test]
    fn other_scales_keep_all_but_the_last(scale in -1e3..1e3f64, rank in 1usize..40) {
        let snapshot = AdapterSnapshot::from_layers(vec![layer("q.weight", rank, 2, scale)]);
        let dir = saved(&snapshot, &PeftOptions::default());
        let read = PeftConfig::load(dir.path()).unwrap().scale("q");
        prop_assert!((read - scale).abs() <= f64::EPSILON * scale.abs(), "{} {}", read, scale);
    }
}

/// Query and value of one block, value alone in another, and a layer of its own.
fn vit(scales: [f64; 3]) -> AdapterSnapshot {
    AdapterSnapshot::from_layers(vec![
        layer("blocks.0.attention.q.weight", 2, 5, scales[0]),
        layer("blocks.0.attention.v.weight", 3, 5, scales[1]),
        layer("blocks.1.attention.v.weight", 2, 5, scales[2]),
        layer("blocks.1.mlp.fc1.weight", 2, 7, scales[2]),
    ])
}

#[test]
fn layers_that_are_fused_there_come_back_bit_for_bit() {
    let names = ModuleNames::timm_vit();
    let snapshot = vit([1.25, 1.25, 3.0]);
    let dir = saved(&snapshot, &options(names.clone()));
    let read = peft::load(dir.path(), &names, &Device::default()).unwrap();
    assert_same_snapshot(&read, &snapshot);
    // There: one layer of both ranks, whose alpha makes the same scale of it.
    let module = "blocks.0.attn.qkv";
    let config = PeftConfig::load(dir.path()).unwrap();
    assert_eq!((config.rank(module), config.scale(module)), (5, 1.25));
    let shape = &tensors(dir.path())["base_model.model.blocks.0.attn.qkv.lora_B.weight"].1;
    assert_eq!(shape.as_slice(), [15, 5]);
}

#[test]
fn the_fused_update_is_that_of_the_parts_side_by_side() {
    for scales in [[1.5, 1.5, 1.5], [0.3, -2.7, 1.1], [0.0, 0.4, 0.0]] {
        let snapshot = vit(scales);
        let dir = saved(&snapshot, &options(ModuleNames::timm_vit()));
        let plain = ModuleNames::identity();
        let modules = peft::load(dir.path(), &plain, &Device::default()).unwrap();
        let fused = delta(&modules.layers()[0]);
        let [q, v, _, _] = [0, 1, 2, 3].map(|i| delta(&snapshot.layers()[i]));
        assert_close(fused, Tensor::cat(vec![q.clone(), q.zeros_like(), v], 1));
    }
}

#[test]
fn an_adapter_of_a_fused_layer_is_split_exactly() {
    let module = AdapterSnapshot::from_layers(vec![layer("blocks.0.attn.qkv.weight", 3, 15, 0.75)]);
    let dir = saved(&module, &PeftOptions::default());
    let names = ModuleNames::timm_vit();
    let split = peft::load(dir.path(), &names, &Device::default()).unwrap();
    let parts: Vec<Tensor<2>> = split.layers().iter().map(|layer| layer.b.clone()).collect();
    // In the order of the paths: k, q, v.
    let [k, q, v] = [0, 1, 2].map(|i| parts[i].clone());
    assert_same(Tensor::cat(vec![q, k, v], 1), module.layers()[0].b.clone());
    for layer in split.layers() {
        assert_same(layer.a.clone(), module.layers()[0].a.clone());
        assert_eq!(layer.scale, 0.75);
    }
}

#[test]
fn an_untrained_adapter_of_a_fused_layer_keeps_its_start() {
    let mut module = layer("blocks.0.attn.qkv.weight", 3, 15, 0.75);
    module.b = module.b.zeros_like();
    let dir = saved(
        &AdapterSnapshot::from_layers(vec![module.clone()]),
        &PeftOptions::default(),
    );
    let split = peft::load(dir.path(), &ModuleNames::timm_vit(), &Device::default()).unwrap();
    assert_eq!(split.layers().len(), 3);
    for layer in split.layers() {
        assert_same(layer.a.clone(), module.a.clone());
    }
}

#[test]
fn layers_that_cannot_be_fused_are_named() {
    let refused = |layers: Vec<AdapterLayer>| {
        let dir = tempfile::tempdir().unwrap();
        let snapshot = AdapterSnapshot::from_layers(layers);
        let options = options(ModuleNames::timm_vit());
        let error = peft::save(dir.path(), &snapshot, &options).unwrap_err();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        error.to_string()
    };
    let q = layer("blocks.0.attention.q.weight", 2, 5, 1.0);
    let error = refused(vec![
        q.clone(),
        layer("blocks.0.attention.v.weight", 2, 4, 1.0),
    ]);
    for word in ["attention.v", "attention.q", "[6, 4]", "[6, 5]"] {
        assert!(error.contains(word), "{error}");
    }
    let error = refused(vec![q.clone(), q]);
    assert!(error.contains("twice"), "{error}");
    let error = refused(vec![layer("patch_embedding.projection.weight", 2, 5, 1.0)]);
    assert!(error.contains("patch_embedding"), "{error}");

    let odd = AdapterSnapshot::from_layers(vec![layer("blocks.0.attn.qkv.weight", 2, 16, 1.0)]);
    let dir = saved(&odd, &PeftOptions::default());
    let error = peft::load(dir.path(), &ModuleNames::timm_vit(), &Device::default()).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("16") && error.contains("qkv"), "{error}");
}

#[test]
fn the_first_pattern_of_the_file_that_a_name_ends_in_counts() {
    let dir = saved(&decoder(), &options(ModuleNames::causal_lm()));
    let path = dir.path().join("adapter_config.json");
    // Not sorted: the order is part of the meaning.
    let text = r#"{"peft_type": "LORA", "r": 2, "lora_alpha": 4,
        "rank_pattern": {"v_proj": 7, "^model.layers.2.self_attn.v_proj": 9, "proj|lm_head": 5},
        "alpha_pattern": {"layers\\.(2|3)\\..*": 1.5, "10.self_attn.q_proj": 3}}"#;
    fs::write(&path, text).unwrap();
    let config = PeftConfig::load(dir.path()).unwrap();
    for (module, rank, alpha) in [
        ("model.layers.2.self_attn.v_proj", 7, 1.5),
        ("model.layers.2.self_attn.q_proj", 2, 1.5),
        ("model.layers.10.self_attn.q_proj", 2, 3.0),
        ("model.layers.110.self_attn.q_proj", 2, 4.0),
        ("model.layers.1.proj", 5, 4.0),
        ("lm_head", 5, 4.0),
        ("my_lm_head", 2, 4.0),
    ] {
        assert_eq!(config.rank(module), rank, "{module}");
        assert_eq!(config.scale(module), alpha / rank as f64, "{module}");
    }
}

#[test]
fn settings_that_are_not_supported_are_named() {
    let dir = saved(&decoder(), &options(ModuleNames::causal_lm()));
    let path = dir.path().join("adapter_config.json");
    let good = config(dir.path());
    let refused = |key: &str, value: Value| {
        let mut config = good.clone();
        config[key] = value;
        fs::write(&path, config.to_string()).unwrap();
        load(dir.path()).map(drop).map_err(|e| e.to_string())
    };
    for (key, value) in [
        ("peft_type", json!("IA3")),
        ("peft_type", Value::Null),
        ("use_dora", json!(true)),
        ("lora_bias", json!(true)),
        ("bias", json!("lora_only")),
        ("modules_to_save", json!(["classifier"])),
        ("layer_replication", json!([[0, 2], [1, 3]])),
        ("trainable_token_indices", json!([0, 1])),
        ("target_parameters", json!(["experts.gate_up_proj"])),
        ("alora_invocation_tokens", json!([5])),
        ("arrow_config", json!({"top_k": 3})),
        ("use_qalora", json!(true)),
        ("init_lora_weights", json!("pissa")),
        ("a_future_variant", json!({"strength": 1})),
        ("rank_pattern", json!({"(": 3})),
        ("r", json!(-1)),
    ] {
        let error = refused(key, value.clone()).unwrap_err();
        assert!(error.contains("adapter_config.json"), "{error}");
        if key != "r" {
            assert!(error.contains(&format!("`{key}`")), "{key}: {error}");
        }
    }
    for (key, value) in [
        ("modules_to_save", json!([])),
        ("fan_in_fan_out", json!(true)),
        ("target_modules", json!(r".*\.(q|v)_proj")),
        ("loftq_config", json!({"loftq_bits": 4})),
        ("init_lora_weights", json!("gaussian")),
        ("a_future_variant", Value::Null),
        ("peft_version", json!("99.0")),
    ] {
        assert_eq!(refused(key, value), Ok(()), "{key}");
    }
}

type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;
type Spoil = fn(&mut Tensors);

#[test]
fn tensors_that_are_not_understood_are_named() {
    const A: &str = "base_model.model.model.layers.2.self_attn.q_proj.lora_A.weight";
    const B: &str = "base_model.model.model.layers.2.self_attn.q_proj.lora_B.weight";
    fn floats(shape: [usize; 2]) -> (Dtype, Vec<usize>, Vec<u8>) {
        (Dtype::F32, shape.to_vec(), vec![0; 4 * shape[0] * shape[1]])
    }
    let cases: [(&[&str], Spoil); 14] = [
        (&["q_proj", "lora_A", "no lora_B"], |t| drop(t.remove(B))),
        (&["q_proj", "lora_B", "no lora_A"], |t| drop(t.remove(A))),
        (&["lora_A [2, 6]", "lora_B [8, 3]"], |t| {
            t.insert(B.into(), floats([8, 3]));
        }),
        (&["rank 4", "rank 2", "q_proj"], |t| {
            t.insert(A.into(), floats([4, 6]));
            t.insert(B.into(), floats([8, 4]));
        }),
        (&[A, "NaN"], |t| {
            t.get_mut(A).unwrap().2[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        }),
        (&[B, "inf"], |t| {
            t.get_mut(B).unwrap().2[..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
        }),
        (&[A, "[2, 6, 1]"], |t| t.get_mut(A).unwrap().1.push(1)),
        (&[A, "[0, 6]"], |t| {
            t.insert(A.into(), floats([0, 6]));
        }),
        (&[A, "I64"], |t| {
            t.insert(A.into(), (Dtype::I64, vec![2, 6], vec![0; 96]));
        }),
        (
            &["lm_head.base_layer.weight", "a weight of the model"],
            |t| {
                let name = "base_model.model.lm_head.base_layer.weight";
                t.insert(name.into(), floats([9, 6]));
            },
        ),
        (&["lm_head.running_mean"], |t| {
            t.insert(
                "base_model.model.lm_head.running_mean".into(),
                floats([9, 6]),
            );
        }),
        (&["embed_tokens", "no lora_B"], |t| {
            let name = "base_model.model.model.embed_tokens.lora_embedding_A";
            t.insert(name.into(), floats([2, 6]));
        }),
        (&["lora_magnitude_vector"], |t| {
            let name = A.replace("lora_A.weight", "lora_magnitude_vector");
            t.insert(name, floats([8, 1]));
        }),
        (&["several adapters", "default"], |t| {
            let tensor = t.remove(A).unwrap();
            t.insert(A.replace(".weight", ".default.weight"), tensor);
        }),
    ];
    let dir = saved(&decoder(), &options(ModuleNames::causal_lm()));
    let good = tensors(dir.path());
    for (words, spoil) in cases {
        let mut spoiled = good.clone();
        spoil(&mut spoiled);
        write_tensors(dir.path(), &spoiled);
        let error = load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("adapter_model.safetensors"), "{error}");
        for word in words {
            assert!(error.contains(word), "{word}: {error}");
        }
    }
    write_tensors(dir.path(), &Tensors::new());
    let error = load(dir.path()).unwrap_err().to_string();
    assert!(error.contains("no lora_A"), "{error}");
}

/// What PEFT calls the factors of an embedding.
#[test]
fn the_adapter_of_an_embedding_has_names_of_its_own() {
    let mut embedding = layer("embed_tokens.weight", 2, 4, 1.5);
    embedding.a = random(9, 2, 1);
    let head = layer("lm_head.weight", 2, 9, 1.5);
    let snapshot = AdapterSnapshot::from_layers(vec![embedding, head]);
    let dir = saved(&snapshot, &options(ModuleNames::causal_lm()));
    let tensors = tensors(dir.path());
    for (name, shape) in [
        ("model.embed_tokens.lora_embedding_A", [2, 9]),
        ("model.embed_tokens.lora_embedding_B", [4, 2]),
        ("lm_head.lora_A.weight", [2, 6]),
        ("lm_head.lora_B.weight", [9, 2]),
    ] {
        let (_, found, _) = &tensors[&format!("base_model.model.{name}")];
        assert_eq!(found.as_slice(), shape, "{name}");
    }
    assert_eq!(tensors.len(), 4);
    assert_same_snapshot(&load(dir.path()).unwrap(), &snapshot);
}

type Stored = (Dtype, Vec<usize>, Vec<u8>);

/// Floats of a matrix, row by row.
fn stored(rows: Tensor<2>) -> Stored {
    let shape = rows.dims().to_vec();
    let bytes = rows.into_data();
    let bytes = bytes.iter::<f32>().flat_map(f32::to_le_bytes).collect();
    (Dtype::F32, shape, bytes)
}

#[test]
fn weights_of_the_model_beside_an_adapter_are_compared_and_taken_over() {
    let device = Device::default();
    let drawn = Model::new(2, &device);
    let model = || drawn.clone();
    let snapshot = AdapterSnapshot::of(&adapted(2, 2, 0, &device));
    let dir = saved(&snapshot, &PeftOptions::default());
    let plain = tensors(dir.path());
    let base = |layer: &str| {
        let model = model();
        let block = &model.blocks[0];
        let layer = match layer {
            "query" => &block.query,
            _ => &block.value,
        };
        layer.weight.val().transpose()
    };
    let restored = |added: &[(&str, Stored)]| {
        let mut tensors = plain.clone();
        for (name, tensor) in added {
            tensors.insert(format!("base_model.model.blocks.0.{name}"), tensor.clone());
        }
        write_tensors(dir.path(), &tensors);
        let names = ModuleNames::identity();
        let folder = peft::load_with_copies(dir.path(), &names, &device)?;
        assert_same_snapshot(&folder.adapter, &snapshot);
        let (model, changed) = peft::with_copies(model(), &folder.copies)?;
        let changed = changed
            .into_iter()
            .map(|index| folder.copies[index].clone());
        Ok::<_, treelora_lora::LoraError>((model, changed.collect::<Vec<_>>()))
    };
    // Equal ones, whatever wraps them, change nothing.
    for name in [
        "query.base_layer.weight",
        "query.weight",
        "query.modules_to_save.task.weight",
    ] {
        let (restored, changed) = restored(&[(name, stored(base("query")))]).unwrap();
        assert!(changed.is_empty(), "{name}");
        assert_same(
            restored.blocks[0].query.weight.val(),
            base("query").transpose(),
        );
    }
    // Others take the place of the model's own, but not what a trained module was before.
    let trained = random(base("value").dims()[0], 6, 5);
    let before = ("value.original_module.weight", stored(random(6, 6, 6)));
    let (replaced, changed) =
        restored(&[("value.base_layer.weight", stored(trained.clone())), before]).unwrap();
    assert_eq!(changed.len(), 1);
    assert_eq!(
        (changed[0].path.as_str(), changed[0].is_trained),
        ("blocks.0.value.weight", false)
    );
    assert_same(replaced.blocks[0].value.weight.val(), trained.transpose());
    assert_same(
        replaced.blocks[0].query.weight.val(),
        base("query").transpose(),
    );

    let error = |added: &[_]| restored(added).map(drop).unwrap_err().to_string();
    let message = error(&[("query.base_layer.weight", stored(random(8, 6, 1)))]);
    for word in ["`blocks.0.query.weight`", "[8, 6]", "[6, 6]", "resized"] {
        assert!(message.contains(word), "{message}");
    }
    let message = error(&[("score.weight", stored(random(2, 6, 1)))]);
    assert!(message.contains("blocks.0.score.weight"), "{message}");
    let twice = [
        ("query.weight", stored(base("query"))),
        ("query.base_layer.weight", stored(base("query"))),
    ];
    assert!(error(&twice).contains("one weight"));
}

#[test]
fn a_module_that_was_trained_as_a_whole_must_be_in_the_file() {
    let dir = saved(&decoder(), &options(ModuleNames::causal_lm()));
    let path = dir.path().join("adapter_config.json");
    let mut config = config(dir.path());
    config["modules_to_save"] = json!(["lm_head"]);
    fs::write(&path, config.to_string()).unwrap();
    let load = || peft::load_with_copies(dir.path(), &ModuleNames::causal_lm(), &Device::default());
    let error = load().unwrap_err().to_string();
    assert!(
        error.contains("adapter_config.json") && error.contains("`lm_head`"),
        "{error}"
    );
    let mut tensors = tensors(dir.path());
    let head = "base_model.model.lm_head.weight".to_owned();
    tensors.insert(head, (Dtype::F64, vec![9, 6], vec![0; 9 * 6 * 8]));
    write_tensors(dir.path(), &tensors);
    let folder = load().unwrap();
    assert!(folder.copies[0].is_trained && folder.config.saves("lm_head"));
    assert!(!folder.config.saves("my_lm_head"));
}

#[test]
fn a_folder_with_a_pickle_says_so_and_how_to_convert_it() {
    let dir = saved(&decoder(), &options(ModuleNames::causal_lm()));
    fs::remove_file(dir.path().join("adapter_model.safetensors")).unwrap();
    fs::write(
        dir.path().join("adapter_model.bin"),
        b"\x80\x02}q\0X\x01\0\0\0a",
    )
    .unwrap();
    let error = load(dir.path()).unwrap_err().to_string();
    for part in [
        "adapter_model.safetensors",
        "adapter_model.bin",
        "torch.load",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn missing_and_truncated_files_are_named() {
    let dir = saved(&decoder(), &options(ModuleNames::causal_lm()));
    let path = dir.path().join("adapter_model.safetensors");
    let bytes = fs::read(&path).unwrap();
    for length in [0, 7, 100, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        let error = load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("adapter_model.safetensors"), "{error}");
    }
    fs::remove_file(&path).unwrap();
    let error = load(dir.path()).unwrap_err().to_string();
    assert!(error.contains("adapter_model.safetensors"), "{error}");
    fs::write(dir.path().join("adapter_config.json"), "{\"peft_type\"").unwrap();
    let error = load(dir.path()).unwrap_err().to_string();
    assert!(error.contains("adapter_config.json"), "{error}");
    let error = load(&dir.path().join("nowhere")).unwrap_err().to_string();
    assert!(error.contains("adapter_config.json"), "{error}");
}

#[test]
fn short_floats_are_widened_and_names_may_hold_the_adapters() {
    let dir = tempfile::tempdir().unwrap();
    let config = json!({"peft_type": "LORA", "r": 1, "lora_alpha": 3});
    fs::write(dir.path().join("adapter_config.json"), config.to_string()).unwrap();
    let bytes = |words: [u16; 2]| words.into_iter().flat_map(u16::to_le_bytes).collect();
    // 1 and -2.5 as F16; 1.5 and -0.0 as BF16.
    let tensors = [
        ("lora_A", (Dtype::F16, vec![1, 2], bytes([0x3c00, 0xc100]))),
        ("lora_B", (Dtype::BF16, vec![2, 1], bytes([0x3fc0, 0x8000]))),
    ];
    let named = |(factor, tensor)| (format!("base_model.model.q.{factor}.task.weight"), tensor);
    write_tensors(dir.path(), &tensors.into_iter().map(named).collect());
    let read = peft::load(dir.path(), &ModuleNames::identity(), &Device::default()).unwrap();
    let device = Device::default();
    let expected = AdapterLayer {
        path: "q.weight".into(),
        a: Tensor::from_data([[1.0f32], [-2.5]], &device),
        b: Tensor::from_data([[1.5f32, -0.0]], &device),
        scale: 3.0,
    };
    assert_same_snapshot(&read, &AdapterSnapshot::from_layers(vec![expected]));
}

#[test]
fn values_and_options_that_no_file_may_hold_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |layer: AdapterLayer, options: &PeftOptions| {
        let snapshot = AdapterSnapshot::from_layers(vec![layer]);
        let error = peft::save(&dir.path().join("new"), &snapshot, options).unwrap_err();
        assert!(!dir.path().join("new").exists(), "nothing is written");
        error.to_string()
    };
    let good = || layer("q.weight", 2, 3, 1.0);
    let plain = PeftOptions::default();
    let mut spoiled = good();
    spoiled.b = spoiled.b * f32::INFINITY;
    let error = refused(spoiled, &plain);
    assert!(error.contains("`q`") && error.contains("lora_B"), "{error}");
    let error = refused(layer("q.weight", 2, 3, f64::NAN), &plain);
    assert!(error.contains("NaN"), "{error}");
    let dropout = PeftOptions {
        lora_dropout: 1.0,
        ..plain.clone()
    };
    assert!(refused(good(), &dropout).contains("lora_dropout"));
    let task = PeftOptions {
        task_type: Some("causal".into()),
        ..plain.clone()
    };
    assert!(refused(good(), &task).contains("CAUSAL_LM"));
    let empty = peft::save(dir.path(), &AdapterSnapshot::default(), &plain);
    assert!(empty.is_err());
}

#[test]
fn an_adapter_goes_onto_the_model_it_fits_and_no_other() {
    let device = Device::default();
    let snapshot = AdapterSnapshot::of(&adapted(2, 2, 0, &device));
    let dir = saved(&snapshot, &PeftOptions::default());
    let read = peft::load(dir.path(), &ModuleNames::identity(), &device).unwrap();
    let attach = |model: Model, adapter: &AdapterSnapshot| {
        let selection = Selection::One(0);
        attach_bank(model, std::slice::from_ref(adapter), selection)
            .map(|model| AdapterSnapshot::of(&model))
            .map_err(|e| e.to_string())
    };
    let attached = attach(Model::new(2, &device), &read).unwrap();
    assert_same_snapshot(&attached, &snapshot);
    let error = attach(Model::new(1, &device), &read).unwrap_err();
    assert!(error.contains("`blocks.1.query.weight`"), "{error}");
    let other = AdapterSnapshot::from_layers(vec![layer("blocks.0.value.weight", 2, 7, 1.0)]);
    let error = attach(Model::new(1, &device), &other).unwrap_err();
    for word in ["`blocks.0.value.weight`", "[6, 6]", "[6, 7]"] {
        assert!(error.contains(word), "{error}");
    }
}
