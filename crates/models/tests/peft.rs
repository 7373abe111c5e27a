//! An adapter that PEFT made for timm's vision transformer, on ours: the fixtures come from `cargo xtask golden`
//! (xtask/golden/peft_timm.py).
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use treelora_core::{ContinualModel, TensorFile};
use treelora_lora::{
    AdapterSnapshot, Selection, attach_bank,
    peft::{self, ModuleNames, PeftOptions},
};
use treelora_models::vit::{HeadSource, ImageBatch, VisionTransformer, VitConfig};

/// Largest difference that counts as the same logit in `f32`.
const TOLERANCE: f32 = 1e-4;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn base(device: &Device) -> VisionTransformer {
    let config = VitConfig {
        image_size: 32,
        patch_size: 8,
        width: 24,
        depth: 3,
        heads: 3,
        mlp_width: 96,
        classes: 7,
        ..VitConfig::tiny()
    };
    let weights = fixture("shape_wide_heads.safetensors");
    VisionTransformer::load(&config, &weights, HeadSource::File, device).unwrap()
}

/// The images of `pattern` in xtask/golden/vit.py.
fn images(device: &Device) -> ImageBatch {
    let shape = [2, 3, 32, 32];
    let value = |i: usize| {
        let (n, c, y, x) = (i / 3072, i / 1024 % 3, i / 32 % 32, i % 32);
        let value = (3 * x + 5 * y + 70 * c + 41 * n + x * y / 16) % 256;
        value as f32 / 127.5 - 1.0
    };
    let values: Vec<f32> = (0..shape.iter().product()).map(value).collect();
    let images = Tensor::from_data(TensorData::new(values, shape), device);
    ImageBatch::of_images(images, vec![0, 1])
}

fn difference_from_peft(adapter: AdapterSnapshot, device: &Device) -> f32 {
    let expected = TensorFile::load(&fixture("peft_timm/expected.safetensors")).unwrap();
    let expected: Tensor<2> = expected.tensor("logits", device).unwrap();
    let model = attach_bank(base(device), &[adapter], Selection::One(0)).unwrap();
    let difference = model.logits(&images(device)) - expected;
    difference.abs().max().into_scalar()
}

#[test]
fn logits_under_an_adapter_of_the_fused_layer_are_those_of_peft() {
    let (device, names) = (Device::default(), ModuleNames::timm_vit());
    let adapter = peft::load(&fixture("peft_timm"), &names, &device).unwrap();
    // q, k, v, proj, fc1 and fc2 of 3 blocks.
    assert_eq!(adapter.layers().len(), 18);
    let difference = difference_from_peft(adapter.clone(), &device);
    assert!(difference <= TOLERANCE, "logits differ by {difference}");

    // Fused again, of three times the rank, and read back: the same function.
    let dir = tempfile::tempdir().unwrap();
    let options = PeftOptions {
        names: names.clone(),
        ..PeftOptions::default()
    };
    peft::save(dir.path(), &adapter, &options).unwrap();
    let again = peft::load(dir.path(), &names, &device).unwrap();
    let difference = difference_from_peft(again, &device);
    assert!(difference <= TOLERANCE, "logits differ by {difference}");
}

#[test]
fn an_adapter_of_another_size_names_the_layer() {
    let device = Device::default();
    let names = ModuleNames::timm_vit();
    let adapter = peft::load(&fixture("peft_timm"), &names, &device).unwrap();
    let config = VitConfig {
        image_size: 32,
        width: 30,
        depth: 3,
        heads: 3,
        ..VitConfig::tiny()
    };
    let rng = &mut ChaCha8Rng::seed_from_u64(0);
    let model = config.init(rng, &device).unwrap();
    let error = attach_bank(model, &[adapter], Selection::One(0)).unwrap_err();
    let error = error.to_string();
    for word in ["`blocks.0.attention.k.weight`", "[30, 30]", "[24, 24]"] {
        assert!(error.contains(word), "{error}");
    }
}
