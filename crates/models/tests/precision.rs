//! A base in half precision: close to the whole one, half as large, and only adapters learn on it.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, path::Path};

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::{AdamWConfig, GradientsParams},
    tensor::{DType, Device, Tensor, TensorData},
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use treelora_core::{Batch, ContinualModel, Prefix, Prefixes, TokenModel};
use treelora_lora::{LoraConfig, attach, merge, unmerge};
use treelora_models::{
    Precision,
    decoder::{
        Decoder, DecoderConfig, GenerationConfig, GenerationRequest, TextBatch, TextExample,
    },
    vit::{ImageBatch, VisionTransformer, VitConfig, head},
};

fn vision(device: &Device) -> VisionTransformer {
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
    let head = head(48, 6, 0.5, &mut rng, device);
    model.with_head(head)
}

fn images(count: usize, device: &Device) -> ImageBatch {
    let values: Vec<f32> = (0..count * 3 * 32 * 32)
        .map(|i| ((i * 37 + i / 11) % 101) as f32 / 50.0 - 1.0)
        .collect();
    let pixels = Tensor::from_data(TensorData::new(values, [count, 3, 32, 32]), device);
    ImageBatch::of_images(pixels, (0..count).map(|i| i % 6).collect())
}

/// Untied head, tied head, biased projections.
const DECODERS: [&str; 3] = ["llama", "gemma", "qwen2"];

fn decoder(name: &str, precision: Precision, device: &Device) -> Decoder {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/decoder")
        .join(name);
    Decoder::load_in(&folder, precision, device).unwrap()
}

#[test]
fn a_decoder_is_drawn_in_half_precision_as_it_is_converted() {
    let device = Device::default();
    let config = DecoderConfig::llama(40, 16, 2, 2);
    for tie_word_embeddings in [true, false] {
        let config = DecoderConfig {
            tie_word_embeddings,
            ..config.clone()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let converted = config.init(&mut rng, &device).unwrap();
        let converted = Parameters::of(&converted.in_precision(Precision::Bf16));
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let drawn = config.init_in(Precision::Bf16, &mut rng, &device).unwrap();
        let drawn = Parameters::of(&drawn);
        assert_eq!(drawn.len(), converted.len());
        for (path, drawn) in drawn {
            let converted = &converted[&path];
            assert_eq!(drawn.dtype, converted.dtype, "{path}");
            assert!(drawn.bits == converted.bits, "{path}");
        }
    }
}

/// Rows of equal length, so that no padding joins them.
fn texts() -> TextBatch {
    TextBatch {
        examples: vec![
            TextExample::new(&[5, 9, 11], &[7, 8]),
            TextExample::new(&[6, 60, 3], &[2, 4]),
            TextExample::new(&[90, 91, 92], &[93, 3]),
        ],
    }
}

fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    tensor.into_data().iter::<f32>().map(f32::to_bits).collect()
}

/// The largest difference relative to the largest value.
fn distance(ours: Tensor<2>, theirs: Tensor<2>) -> f32 {
    let largest = |x: Tensor<2>| x.abs().max().into_scalar::<f32>();
    largest(ours - theirs.clone()) / largest(theirs)
}

/// What is known of a parameter.
struct Parameter {
    axes: usize,
    dtype: DType,
    bytes: usize,
    bits: Vec<u32>,
}

#[derive(Default)]
struct Parameters {
    path: Vec<String>,
    found: BTreeMap<String, Parameter>,
}

impl Parameters {
    fn of<M: Module>(model: &M) -> BTreeMap<String, Parameter> {
        let mut visitor = Self::default();
        model.visit(&mut visitor);
        visitor.found
    }
}

impl ModuleVisitor for Parameters {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.base();
        let parameter = Parameter {
            axes: D,
            dtype: value.dtype(),
            bytes: value.to_data().bytes().len(),
            bits: bits(value),
        };
        self.found.insert(self.path.join("."), parameter);
    }
}

/// Matrices but for those named are half as large in `half`; everything else is the same bits.
fn check_halved<M: Module>(whole: &M, half: &M, kept: &str) {
    let (whole, half) = (Parameters::of(whole), Parameters::of(half));
    assert_eq!(whole.len(), half.len());
    for (path, half) in half {
        let whole = &whole[&path];
        if whole.axes == 2 && path != kept {
            assert_eq!(half.dtype, DType::BF16, "{path}");
            assert_eq!(2 * half.bytes, whole.bytes, "{path}");
        } else {
            assert_eq!(half.dtype, DType::F32, "{path}");
            assert!(half.bits == whole.bits, "{path}");
        }
    }
}

#[test]
fn a_vision_transformer_in_half_precision_is_close_and_half_as_large() {
    let device = Device::default();
    let whole = vision(&device);
    let half = whole.clone().in_precision(Precision::Bf16);
    check_halved(&whole, &half, "head.weight");
    let batch = images(4, &device);
    let away = distance(half.logits(&batch), whole.logits(&batch));
    assert!(away > 0.0 && away < 0.03, "{away}");
    let same = whole.clone().in_precision(Precision::F32);
    assert!(bits(same.logits(&batch)) == bits(whole.logits(&batch)));
}

#[test]
fn a_decoder_in_half_precision_is_close_and_half_as_large() {
    let (device, batch) = (Device::default(), texts());
    for name in DECODERS {
        let whole = decoder(name, Precision::F32, &device);
        let half = decoder(name, Precision::Bf16, &device);
        check_halved(&whole, &half, "");
        let away = distance(half.logits(&batch), whole.logits(&batch));
        assert!(away > 0.0 && away < 0.03, "{name}: {away}");
        // Converted layer by layer or as a whole.
        let converted = whole.in_precision(Precision::Bf16);
        assert!(
            bits(half.logits(&batch)) == bits(converted.logits(&batch)),
            "{name}"
        );
        // Files are f32, and hold what the model computed with.
        let dir = tempfile::tempdir().unwrap();
        half.save(dir.path()).unwrap();
        let again = Decoder::load_in(dir.path(), Precision::Bf16, &device).unwrap();
        assert!(
            bits(half.logits(&batch)) == bits(again.logits(&batch)),
            "{name}"
        );
    }
}

#[test]
fn a_row_computes_alike_in_every_batch() {
    let device = Device::default();
    let half = vision(&device).in_precision(Precision::Bf16);
    let batch = images(5, &device);
    let together = half.logits(&batch);
    for row in 0..batch.len() {
        let alone = half.logits(&batch.select(&[row]));
        assert!(
            bits(alone) == bits(together.clone().narrow(0, row, 1)),
            "image {row}"
        );
    }
    let config = GenerationConfig {
        max_new_tokens: 6,
        ..GenerationConfig::default()
    };
    for name in DECODERS {
        let half = decoder(name, Precision::Bf16, &device);
        let requests: Vec<GenerationRequest> = [&[5, 9, 11][..], &[6], &[90, 91, 92, 93]]
            .into_iter()
            .map(|prompt| GenerationRequest {
                prompt: prompt.to_vec(),
                stream: 0,
            })
            .collect();
        let together = half.generate(&requests, &config, |_, _| ()).unwrap();
        for (request, together) in requests.iter().zip(together) {
            let request = std::slice::from_ref(request);
            let alone = half.generate(request, &config, |_, _| ()).unwrap();
            assert_eq!(alone[0].ids, together.ids, "{name}");
        }
    }
}

/// Adapters are f32, a few steps move them and lower the loss, and nothing else moves.
fn check_training<M: ContinualModel>(base: M, targets: &str, trainable: &[&str], batch: &M::Batch) {
    let config = LoraConfig {
        target_modules: vec![targets.to_owned()],
        trainable: trainable.iter().map(|t| (*t).to_owned()).collect(),
        ..LoraConfig::new(2, 6.0)
    };
    let mut model = attach(base, &config, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    let before = Parameters::of(&model);
    let mut optimizer = AdamWConfig::new().with_epsilon(1e-8).init();
    let loss_of = |model: &M| model.loss(batch).into_scalar::<f32>();
    let at_first = loss_of(&model);
    for _ in 0..5 {
        let gradients = GradientsParams::from_grads(model.loss(batch).backward(), &model);
        model = optimizer.step(1e-2, model, gradients);
    }
    let at_last = loss_of(&model);
    assert!(at_last < at_first, "{at_first} to {at_last}");
    let after = Parameters::of(&model);
    let mut moved = 0;
    for (path, after) in &after {
        let before = &before[path];
        assert_eq!(before.dtype, after.dtype, "{path}");
        if path.contains("lora") || path.starts_with("head.") {
            assert_eq!(after.dtype, DType::F32, "{path}");
            assert!(after.bits != before.bits, "{path} has not moved");
            moved += 1;
        } else {
            assert!(after.bits == before.bits, "{path} has moved");
        }
    }
    assert!(moved > 0);

    let expected = model.logits(batch);
    let merged = merge(model).unwrap();
    let away = distance(merged.logits(batch), expected.clone());
    assert!(away < 0.03, "{away}");
    assert!(bits(unmerge(merged).logits(batch)) == bits(expected));
}

#[test]
fn only_adapters_learn_on_a_base_in_half_precision() {
    let device = Device::default().autodiff();
    let base = vision(&device).in_precision(Precision::Bf16);
    let head = [r"^head\."];
    check_training(
        base,
        r"attention\.(q|v)\.weight$",
        &head,
        &images(6, &device),
    );
    for name in DECODERS {
        let base = decoder(name, Precision::Bf16, &device);
        check_training(base, r"\.(q_proj|v_proj)\.weight$", &[], &texts());
    }
}

/// What is put between the blocks stays whole and learns.
#[test]
fn prompts_and_prefixes_learn_on_a_base_in_half_precision() {
    fn law<M: TokenModel>(whole: &M, half: &M, batch: &M::Batch) {
        let device = Device::default().autodiff();
        let learned = [whole.width(), whole.key_width(), whole.key_width()].map(|width| {
            let values: Vec<f32> = (0..3 * width)
                .map(|i| ((i * 29 + i / 7) % 53) as f32 / 53.0 - 0.5)
                .collect();
            Tensor::from_data(TensorData::new(values, [1, 3, width]), &device).require_grad()
        });
        let [prompt, keys, values] = learned.clone();
        let prefixes = Prefixes::none().with(1, Prefix::new(keys, values));
        let loss = |model: &M| {
            let tokens = model.embed(batch).with_prompt(prompt.clone());
            model.loss_of(&model.run(tokens, model.depth(), &prefixes), batch)
        };
        let half_loss = loss(half);
        let away = (half_loss.clone() - loss(whole)).abs().into_scalar::<f32>();
        assert!(away > 0.0 && away < 0.05, "{away}");
        let gradients = half_loss.backward();
        for learned in &learned {
            let gradient = learned.grad(&gradients).unwrap();
            assert_eq!(gradient.dtype(), DType::F32);
            assert!(gradient.abs().max().into_scalar::<f32>() > 0.0);
        }
    }

    let device = Device::default().autodiff();
    let whole = vision(&device);
    let half = whole.clone().in_precision(Precision::Bf16);
    law(&whole, &half, &images(4, &device));
    let [whole, half] =
        [Precision::F32, Precision::Bf16].map(|precision| decoder("llama", precision, &device));
    law(&whole, &half, &texts());
}
