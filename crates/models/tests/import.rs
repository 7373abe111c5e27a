//! Weight files that do not fit: every one is an error that names the file and the tensors.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::{Device, Tensor, bf16, f16};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use tempfile::TempDir;
use treelora_core::ContinualModel;
use treelora_models::vit::{HeadSource, ImageBatch, ImportError, VisionTransformer, VitConfig};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/shape_wide_heads.safetensors")
}

fn config() -> VitConfig {
    VitConfig {
        image_size: 32,
        patch_size: 8,
        width: 24,
        depth: 3,
        heads: 3,
        mlp_width: 96,
        classes: 7,
        ..VitConfig::tiny()
    }
}

fn load(config: &VitConfig, path: &Path) -> Result<VisionTransformer, ImportError> {
    VisionTransformer::load(config, path, HeadSource::File, &Device::default())
}

type File = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

fn read() -> File {
    let bytes = fs::read(fixture()).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .map(|(name, view)| {
            (
                name.to_owned(),
                (view.dtype(), view.shape().to_vec(), view.data().to_vec()),
            )
        })
        .collect()
}

fn write(file: &File) -> (TempDir, PathBuf) {
    let views = file.iter().map(|(name, (dtype, shape, bytes))| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    write_bytes(&safetensors::serialize(views, None).unwrap())
}

fn write_bytes(bytes: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weights.safetensors");
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn logits(model: &VisionTransformer) -> Tensor<2> {
    let images = Tensor::full([1, 3, 32, 32], 0.5, &Device::default());
    model.logits(&ImageBatch::of_images(images, vec![0]))
}

#[test]
fn every_tensor_that_does_not_fit_is_named() {
    let mut file = read();
    file.remove("blocks.1.norm2.bias").unwrap();
    file.remove("cls_token").unwrap();
    file.insert(
        "fc_norm.weight".to_owned(),
        (Dtype::F32, vec![1], vec![0; 4]),
    );
    let (dtype, _, bytes) = file["blocks.0.attn.proj.weight"].clone();
    file.insert(
        "blocks.0.attn.proj.weight".to_owned(),
        (dtype, vec![12, 48], bytes),
    );
    let (_dir, path) = write(&file);
    let error = load(&config(), &path).unwrap_err().to_string();
    for part in [
        "weights.safetensors",
        "missing: blocks.1.norm2.bias, cls_token",
        "unexpected: fc_norm.weight",
        "blocks.0.attn.proj.weight [12, 48] in place of [24, 24]",
    ] {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

#[test]
fn another_architecture_prints_both() {
    let error = load(
        &VitConfig {
            image_size: 224,
            ..VitConfig::tiny()
        },
        &fixture(),
    )
    .unwrap_err();
    assert!(matches!(error, ImportError::OtherArchitecture { .. }));
    let error = error.to_string();
    for part in [
        "3 blocks",
        "[24, 3, 8, 8]",
        "12 blocks",
        "[192, 3, 16, 16]",
        "shape_wide_heads",
    ] {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

#[test]
fn another_kind_of_model_is_recognised() {
    let name = "model.layers.0.self_attn.q_proj.weight";
    let file = File::from([(name.to_owned(), (Dtype::F32, vec![1], vec![0; 4]))]);
    let (_dir, path) = write(&file);
    let error = load(&config(), &path).unwrap_err().to_string();
    assert!(
        error.contains("patch_embed.proj.weight") && error.contains(name),
        "{error}"
    );
}

#[test]
fn a_head_for_other_classes_is_an_error_unless_it_is_replaced() {
    let config = VitConfig {
        classes: 10,
        ..config()
    };
    let error = load(&config, &fixture()).unwrap_err().to_string();
    assert!(
        error.contains("head.weight [7, 24] in place of [10, 24]"),
        "{error}"
    );
    let device = Device::default();
    let model = VisionTransformer::load(&config, &fixture(), HeadSource::Zeros, &device).unwrap();
    assert_eq!(logits(&model).abs().max().into_scalar::<f32>(), 0.0);
    assert_eq!(logits(&model).dims(), [1, 10]);
}

#[test]
fn half_precision_files_load() {
    let exact = logits(&load(&config(), &fixture()).unwrap());
    type Narrow = (Dtype, fn(f32) -> [u8; 2], f32);
    let narrow: [Narrow; 2] = [
        (Dtype::F16, |value| f16::from_f32(value).to_le_bytes(), 0.02),
        (
            Dtype::BF16,
            |value| bf16::from_f32(value).to_le_bytes(),
            0.15,
        ),
    ];
    for (dtype, convert, tolerance) in narrow {
        let file = read()
            .into_iter()
            .map(|(name, (_, shape, bytes))| {
                let values = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b));
                (name, (dtype, shape, values.flat_map(convert).collect()))
            })
            .collect();
        let (_dir, path) = write(&file);
        let difference = exact.clone() - logits(&load(&config(), &path).unwrap());
        let difference = difference.abs().max().into_scalar::<f32>();
        assert!(
            difference > 0.0 && difference < tolerance,
            "{dtype:?}: {difference}"
        );
    }
}

#[test]
fn a_type_that_is_not_read_is_named() {
    let mut file = read();
    let (_, shape, bytes) = file["norm.bias"].clone();
    file.insert("norm.bias".to_owned(), (Dtype::I32, shape, bytes));
    let (_dir, path) = write(&file);
    let error = load(&config(), &path).unwrap_err().to_string();
    assert!(
        error.contains("norm.bias") && error.contains("I32"),
        "{error}"
    );
}

#[test]
fn a_missing_file_is_named() {
    let error = load(&config(), Path::new("nowhere/weights.safetensors")).unwrap_err();
    assert!(error.to_string().contains("nowhere/weights.safetensors"));
    let error = treelora_core::Error::from(error);
    assert!(error.to_string().contains("nowhere/weights.safetensors"));
}

#[test]
fn damaged_files_are_errors_and_never_panics() {
    let whole = fs::read(fixture()).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let cuts = [3, 8, 9, header / 2, header, header + 5, whole.len() - 1];
    for length in cuts {
        let (_dir, path) = write_bytes(&whole[..length]);
        let error = load(&config(), &path).unwrap_err();
        assert!(
            matches!(error, ImportError::Damaged { .. }),
            "cut at {length}: {error}"
        );
        assert!(error.to_string().contains("weights.safetensors"));
    }
    let mut announces_too_much = whole.clone();
    announces_too_much[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let (_dir, path) = write_bytes(&announces_too_much);
    assert!(matches!(
        load(&config(), &path).unwrap_err(),
        ImportError::Damaged { .. }
    ));

    // A flipped header byte may still be a header, but never a panic.
    for position in (8..header).step_by(97) {
        let mut flipped = whole.clone();
        flipped[position] ^= 0x15;
        let (_dir, path) = write_bytes(&flipped);
        let _ = load(&config(), &path);
    }
}

#[test]
fn what_is_saved_comes_back_bit_by_bit() {
    let folder = tempfile::tempdir().unwrap();
    let devices = [Device::default().autodiff(), Device::default()];
    for (device, (qkv_bias, channels)) in devices.iter().zip([(true, 3), (false, 1)]) {
        let config = VitConfig {
            qkv_bias,
            channels,
            ..config()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let model = config.init(&mut rng, device).unwrap();
        let pixels = vec![0.5; channels];
        model.save(folder.path(), &pixels, &pixels).unwrap();
        let again = load(&config, &folder.path().join("model.safetensors")).unwrap();

        let bits = |model: &VisionTransformer| -> Vec<u32> {
            let images = Tensor::ones(
                [2, channels, 32, 32],
                &model.position_embedding.val().device(),
            );
            let batch = ImageBatch::of_images(images * 0.3, vec![0, 1]);
            let logits = model.logits(&batch).into_data();
            logits.iter::<f32>().map(f32::to_bits).collect()
        };
        assert_eq!(bits(&again), bits(&model));
    }
    let json = fs::read_to_string(folder.path().join("config.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["model_args"]["embed_dim"], 24);
    assert_eq!(json["model_args"]["mlp_ratio"], 4.0);
    assert_eq!(json["pretrained_cfg"]["input_size"][0], 1);
    let leftovers = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(leftovers, 2, "only the two files");
}

#[test]
fn files_of_other_kinds_are_told_by_their_first_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let cases: [(&[u8], &str); 6] = [
        (
            b"PK\x03\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0archive/data.pkl",
            "torch.load",
        ),
        (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", "torch.load"),
        (b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0", "GGUF"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "git lfs pull",
        ),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"", "an empty file"),
    ];
    for (bytes, part) in cases {
        fs::write(&path, bytes).unwrap();
        let error = load(&config(), &path).unwrap_err();
        assert!(matches!(error, ImportError::OtherFile { .. }), "{error}");
        let error = error.to_string();
        assert!(
            error.contains("model.safetensors") && error.contains(part),
            "{error}"
        );
    }
    let error = load(&config(), folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("a folder") && error.contains("name the file in it"),
        "{error}"
    );
    fs::rename(&path, folder.path().join("pytorch_model.bin")).unwrap();
    let error = load(&config(), folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("a folder") && error.contains("pytorch_model.bin"),
        "{error}"
    );
}
