//! Parity with timm: the fixtures come from `cargo xtask golden` (xtask/golden/vit.py).
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use treelora_core::{ContinualModel, Features, TensorFile};
use treelora_models::vit::{HeadSource, ImageBatch, VisionTransformer, VitConfig};

/// Largest difference that counts as the same logit in `f32`.
const TOLERANCE: f32 = 1e-4;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.safetensors"))
}

/// The folder of published weights: `TREELORA_MODELS`, or `../shared/models` beside the workspace.
fn published(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("TREELORA_MODELS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/models"),
        PathBuf::from,
    );
    let path = folder.join(name).join("model.safetensors");
    if !path.exists() {
        eprintln!(
            "skipped: no {}; set TREELORA_MODELS to a folder that has it",
            path.display()
        );
        return None;
    }
    Some(path)
}

/// The images of `pattern` in xtask/golden/vit.py.
fn pattern(count: usize, size: usize, device: &Device) -> Tensor<4> {
    let mut values = Vec::with_capacity(count * 3 * size * size);
    for n in 0..count {
        for c in 0..3 {
            for y in 0..size {
                for x in 0..size {
                    let value = (3 * x + 5 * y + 70 * c + 41 * n + x * y / 16) % 256;
                    values.push(value as f32 / 127.5 - 1.0);
                }
            }
        }
    }
    Tensor::from_data(TensorData::new(values, [count, 3, size, size]), device)
}

fn largest_difference<const D: usize>(ours: Tensor<D>, theirs: Tensor<D>) -> f32 {
    assert_eq!(ours.dims(), theirs.dims());
    (ours - theirs).abs().max().into_scalar()
}

fn compare(config: &VitConfig, weights: &Path, expected: &str) {
    // `BURN_DEVICE` runs the same comparison on another backend.
    let device = Device::default();
    let expected = TensorFile::load(&fixture(expected)).unwrap();
    let model = VisionTransformer::load(config, weights, HeadSource::File, &device).unwrap();
    let size = config.image_size;
    let batch = ImageBatch::of_images(pattern(2, size, &device), vec![0, 1]);

    let features = expected
        .tensor(&format!("features_{size}"), &device)
        .unwrap();
    let difference = largest_difference(model.features(&batch), features);
    assert!(
        difference <= TOLERANCE,
        "features differ by {difference} at {size} pixels"
    );
    let logits = expected.tensor(&format!("logits_{size}"), &device).unwrap();
    let difference = largest_difference(model.logits(&batch), logits);
    assert!(
        difference <= TOLERANCE,
        "logits differ by {difference} at {size} pixels"
    );

    if let Ok(positions) = expected.tensor::<3>(&format!("pos_embed_{size}"), &device) {
        let difference = largest_difference(model.position_embedding.val(), positions);
        assert!(
            difference <= 1e-5,
            "positions differ by {difference} at {size} pixels"
        );
    }
}

#[test]
fn published_tiny_model() {
    let Some(weights) = published("vit_tiny_patch16_224") else {
        return;
    };
    compare(&VitConfig::tiny(), &weights, "vit_tiny_expected");
    // Interpolated from 14 x 14 to 6 x 6 patches.
    compare(
        &VitConfig {
            image_size: 96,
            ..VitConfig::tiny()
        },
        &weights,
        "vit_tiny_expected",
    );
}

#[test]
fn other_patch_width_depth_and_heads() {
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
    compare(
        &config,
        &fixture("shape_wide_heads"),
        "shape_wide_heads_expected",
    );
}

#[test]
fn no_qkv_bias_and_positions_up_and_down() {
    for image_size in [20, 36, 12] {
        let config = VitConfig {
            image_size,
            patch_size: 4,
            width: 40,
            depth: 2,
            heads: 5,
            mlp_width: 80,
            qkv_bias: false,
            classes: 5,
            ..VitConfig::tiny()
        };
        compare(
            &config,
            &fixture("shape_no_qkv_bias"),
            "shape_no_qkv_bias_expected",
        );
    }
}
