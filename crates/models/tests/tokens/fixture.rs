//! Small models of both families, and numbers to put in front of their tokens.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use treelora_core::{Prefix, Prefixes, TokenModel};
use treelora_models::{
    decoder::{Decoder, TextBatch, TextExample},
    vit::{ImageBatch, VisionTransformer, VitConfig, head},
};

/// Plain, with normalised queries and keys, with sliding windows of 4.
pub(crate) const DECODERS: [&str; 3] = ["llama", "qwen3", "mistral"];

/// Run a law, generic over `TokenModel`, on every family: `law(name, &model, &batch)`.
macro_rules! for_every_family {
    ($law:ident, $device:expr) => {
        let device = $device;
        $law(
            "vit",
            &crate::fixture::vision(&device),
            &crate::fixture::images(4, &device),
        );
        for name in crate::fixture::DECODERS {
            $law(
                name,
                &crate::fixture::decoder(name, &device),
                &crate::fixture::texts(),
            );
        }
    };
}

pub(crate) use for_every_family;

/// `BURN_DEVICE` runs the same tests on another backend.
pub(crate) fn device() -> Device {
    Device::default()
}

/// Three blocks of three heads, with a head that answers.
pub(crate) fn vision(device: &Device) -> VisionTransformer {
    let config = VitConfig {
        image_size: 32,
        patch_size: 8,
        width: 48,
        depth: 3,
        heads: 3,
        mlp_width: 96,
        classes: 6,
        ..VitConfig::tiny()
    };
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let model = config.init(&mut rng, device).unwrap();
    model.with_head(head(48, 6, 0.5, &mut rng, device))
}

pub(crate) fn images(count: usize, device: &Device) -> ImageBatch {
    let pixels = normal([count, 3, 32, 32], 1.0, 5, device);
    ImageBatch::of_images(pixels, (0..count).map(|i| i % 6).collect())
}

pub(crate) fn decoder(name: &str, device: &Device) -> Decoder {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/decoder")
        .join(name);
    Decoder::load(&folder, device).unwrap()
}

/// Prompts and answers of unequal length.
pub(crate) fn texts() -> TextBatch {
    TextBatch {
        examples: vec![
            TextExample::new(&[5, 9, 11, 40], &[7, 8, 2]),
            TextExample::new(&[5], &[60, 2]),
            TextExample::new(&[90, 91, 92, 93, 94, 95], &[3, 4, 5, 6]),
            TextExample::new(&[13, 14], &[6]),
        ],
    }
}

/// Normal numbers from a seed.
pub(crate) fn normal<const D: usize>(
    shape: [usize; D],
    deviation: f32,
    seed: u64,
    device: &Device,
) -> Tensor<D> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            let value: f32 = StandardNormal.sample(&mut rng);
            deviation * value
        })
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Prompt tokens, `[rows, length, width]`.
pub(crate) fn prompt<M: TokenModel>(
    model: &M,
    rows: usize,
    length: usize,
    device: &Device,
) -> Tensor<3> {
    normal(
        [rows, length, model.width()],
        0.5,
        20 + length as u64,
        device,
    )
}

/// Keys and values, `[rows, length, key_width]`.
pub(crate) fn prefix<M: TokenModel>(
    model: &M,
    rows: usize,
    length: usize,
    device: &Device,
) -> Prefix {
    let [keys, values] = [40, 60].map(|seed| {
        let shape = [rows, length, model.key_width()];
        normal(shape, 1.0, seed + length as u64, device)
    });
    Prefix::new(keys, values)
}

/// One for all rows in the first block, one for each row in the second.
pub(crate) fn prefixes<M: TokenModel>(model: &M, rows: usize, device: &Device) -> Prefixes {
    Prefixes::none()
        .with(0, prefix(model, 1, 3, device))
        .with(1, prefix(model, rows, 2, device))
}

pub(crate) fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    tensor.into_data().iter::<f32>().map(f32::to_bits).collect()
}

pub(crate) fn largest_difference<const D: usize>(ours: Tensor<D>, theirs: Tensor<D>) -> f32 {
    assert_eq!(ours.dims(), theirs.dims());
    (ours - theirs).abs().max().into_scalar()
}

/// Equal bits on the CPU. Other devices choose kernels by shape, so that a row rounds differently in another batch.
#[track_caller]
pub(crate) fn assert_same<const D: usize>(ours: Tensor<D>, theirs: Tensor<D>, what: &str) {
    if device() == Device::flex() {
        assert_eq!(ours.dims(), theirs.dims(), "{what}");
        assert!(bits(ours) == bits(theirs), "{what}: other bits");
    } else {
        let difference = largest_difference(ours, theirs);
        assert!(difference < 1e-4, "{what}: off by {difference}");
    }
}
