//! Parity with timm: the fixtures come from `cargo xtask golden` (xtask/golden/vit.py).
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use treelora_core::{ContinualModel, Features, TensorFile};
use treelora_models::vit::{
    HeadSource, ImageBatch, VisionTransformer, VitConfig, VitPooling, VitVariant,
    import::uncertainties,
};

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
    // Of the two tokens of a distilled model timm shows the mean, and we both.
    let [rows, width] = features.dims();
    let own = model
        .features(&batch)
        .reshape([rows as i32, -1, width as i32]);
    let own: Tensor<2> = own.mean_dim(1).squeeze_dim(1);
    let difference = largest_difference(own, features);
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

/// The shape of xtask/golden/vit.py's variants.
fn small(image_size: usize) -> VitConfig {
    VitConfig {
        image_size,
        patch_size: 4,
        width: 12,
        depth: 2,
        heads: 2,
        mlp_width: 24,
        classes: 3,
        ..VitConfig::tiny()
    }
}

/// What each of the variants is, which the file alone tells.
fn variants() -> Vec<(&'static str, VitVariant)> {
    let plain = VitVariant::default();
    vec![
        (
            "variant_distilled",
            VitVariant {
                distillation_token: true,
                ..plain.clone()
            },
        ),
        (
            "variant_registers",
            VitVariant {
                registers: 4,
                embeds_leading: false,
                layer_scale: true,
                ..plain.clone()
            },
        ),
        (
            "variant_embedded_registers",
            VitVariant {
                registers: 2,
                ..plain.clone()
            },
        ),
        (
            "variant_no_embed_class",
            VitVariant {
                embeds_leading: false,
                qk_norm: true,
                ..plain.clone()
            },
        ),
        (
            "variant_norm_of_mean",
            VitVariant {
                registers: 1,
                pooling: VitPooling::NormOfMean,
                ..plain.clone()
            },
        ),
        (
            "variant_mean_of_norm",
            VitVariant {
                class_token: false,
                pooling: VitPooling::MeanOfNorm,
                ..plain
            },
        ),
    ]
}

#[test]
fn variants_are_told_by_their_files_and_answer_as_timm_does() {
    let device = Device::default();
    for (name, variant) in variants() {
        for size in [16, 24] {
            let expected = format!("{name}_expected");
            compare(&small(size), &fixture(name), &expected);
        }
        let model =
            VisionTransformer::load(&small(16), &fixture(name), HeadSource::File, &device).unwrap();
        assert_eq!(model.config().variant, variant, "{name}");
    }
}

/// What is written is read again to the bit, and every tensor is called as timm calls it.
#[test]
fn variants_are_written_as_they_were_read() {
    let device = Device::default();
    for (name, _) in variants() {
        let folder = tempfile::tempdir().unwrap();
        let load = |path: &Path| {
            VisionTransformer::load(&small(16), path, HeadSource::File, &device).unwrap()
        };
        load(&fixture(name))
            .save(folder.path(), &[0.5; 3], &[0.5; 3])
            .unwrap();
        let written = folder.path().join("model.safetensors");
        let [before, after] =
            [&fixture(name), &written].map(|path| TensorFile::load(path).unwrap());
        let names = |file: &TensorFile| file.names().map(String::from).collect::<Vec<_>>();
        assert_eq!(names(&before), names(&after), "{name}");
        for tensor in before.names() {
            let [before, after] = [&before, &after].map(|file| file.f32s(tensor).unwrap());
            // Of two heads the biases are one, which is written twice.
            match tensor.starts_with("head")
                && name == "variant_distilled"
                && tensor.ends_with("bias")
            {
                true => assert_eq!(after, after_mean(&fixture(name)), "{name}: {tensor}"),
                false => assert_eq!(before, after, "{name}: {tensor}"),
            }
        }
    }
}

/// Mean of the biases of both heads.
fn after_mean(path: &Path) -> Vec<f32> {
    let file = TensorFile::load(path).unwrap();
    let [first, second] = ["head.bias", "head_dist.bias"].map(|name| file.f32s(name).unwrap());
    let pairs = first.into_iter().zip(second);
    pairs.map(|(one, other)| one * 0.5 + other * 0.5).collect()
}

#[test]
fn a_grid_that_is_not_square_is_taken_from_the_configuration_beside_the_file() {
    let name = "variant_wide_grid";
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("model.safetensors");
    std::fs::copy(fixture(name), &weights).unwrap();
    // Alone the file cannot be told from one of 4 x 4 patches, which is said.
    let doubts = uncertainties(&small(16), &weights);
    assert!(
        doubts[0].contains("4 x 4") && doubts[0].contains("2 x 8"),
        "{doubts:?}"
    );
    let sizes = [
        r#"{"model_args": {"img_size": [8, 32]}, "pretrained_cfg": {"input_size": [3, 9, 9]}}"#,
        r#"{"pretrained_cfg": {"input_size": [3, 8, 32]}}"#,
    ];
    for json in sizes {
        std::fs::write(folder.path().join("config.json"), json).unwrap();
        assert_eq!(uncertainties(&small(16), &weights), [""; 0]);
        for size in [16, 24] {
            compare(&small(size), &weights, &format!("{name}_expected"));
        }
    }
    std::fs::write(
        folder.path().join("config.json"),
        r#"{"global_pool": "map"}"#,
    )
    .unwrap();
    let error = VisionTransformer::load(&small(16), &weights, HeadSource::File, &Device::default());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("\"map\""), "{error}");
}
