//! The model under adapters of `treelora-lora`, attached from outside.
#![allow(clippy::unwrap_used)]

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Device, Distribution, Tensor},
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use treelora_core::{Batch, ContinualModel, Features};
use treelora_lora::{AdapterSnapshot, LoraConfig, Selection, attach, attach_bank, select};
use treelora_models::{
    vision::VisionModel,
    vit::{ImageBatch, ImageInput, VisionTransformer, VitConfig},
};

fn base() -> VisionTransformer {
    let config = VitConfig {
        image_size: 16,
        patch_size: 4,
        width: 24,
        depth: 3,
        heads: 2,
        mlp_width: 48,
        classes: 4,
        ..VitConfig::tiny()
    };
    config
        .init(&mut ChaCha8Rng::seed_from_u64(7), &Device::default())
        .unwrap()
}

/// Adapters on the matching weights, their B no longer zero.
fn adapted(targets: &str, seed: u64) -> VisionTransformer {
    let config = LoraConfig {
        target_modules: vec![targets.to_owned()],
        trainable: vec!["^head".to_owned()],
        ..LoraConfig::new(2, 6.0)
    };
    let model = attach(base(), &config, &mut ChaCha8Rng::seed_from_u64(seed)).unwrap();
    model.map(&mut Perturb(Vec::new()))
}

/// Moves what lies under an adapter.
struct Perturb(Vec<String>);

impl ModuleMapper for Perturb {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.0.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !self.0.iter().any(|name| name == "lora") {
            return param;
        }
        param.map(|value| {
            let noise = Tensor::random(
                value.shape(),
                Distribution::Normal(0.0, 0.3),
                &value.device(),
            );
            value + noise
        })
    }
}

fn batch(count: usize) -> ImageBatch {
    let images = Tensor::random(
        [count, 3, 16, 16],
        Distribution::Normal(0.0, 1.0),
        &Device::default(),
    );
    ImageBatch::of_images(images, (0..count).map(|i| i % 4).collect())
}

fn pixels(batch: &ImageBatch) -> Tensor<4> {
    let ImageInput::Images(images) = &batch.input else {
        unreachable!()
    };
    images.clone()
}

fn bits(tensor: Tensor<2>) -> Vec<u32> {
    tensor.into_data().iter::<f32>().map(f32::to_bits).collect()
}

#[test]
fn the_prefix_before_the_first_adapter_changes_nothing() {
    let model = adapted(r"blocks\.[12]\.(attention\.[qv]|mlp\.fc.)\.weight", 1);
    assert_eq!(model.first_adapted_block(), Some(1));
    assert_eq!(base().first_adapted_block(), None);
    let batch = batch(3);
    let expected = bits(model.logits(&batch));
    assert_ne!(
        expected,
        bits(base().logits(&batch)),
        "the adapters do nothing"
    );
    for block in [0, 1] {
        let tokens = model.frozen_prefix(pixels(&batch), block);
        let hidden = ImageBatch::new(ImageInput::Hidden { block, tokens }, batch.labels.clone());
        assert_eq!(bits(model.logits(&hidden)), expected);
        assert_eq!(
            bits(model.frozen_features(&hidden)),
            bits(base().features(&batch))
        );
    }
}

#[test]
#[should_panic(expected = "block 2 depend on the adapter of block 1")]
fn a_prefix_behind_an_adapter_is_refused() {
    let model = adapted(r"blocks\.1\.attention\.q", 1);
    let _ = model.frozen_prefix(pixels(&batch(1)), 2);
}

#[test]
#[should_panic(expected = "patch embedding carries an adapter")]
fn a_prefix_behind_an_adapted_patch_embedding_is_refused() {
    let model = adapted(r"patch_embedding", 1);
    assert_eq!(model.first_adapted_block(), None);
    let _ = model.frozen_prefix(pixels(&batch(1)), 0);
}

#[test]
fn frozen_features_are_those_of_the_base_and_cached_ones_are_used() {
    let model = adapted(r"attention\.(q|k|v|proj)", 1);
    let mut batch = batch(2);
    assert_eq!(
        bits(model.frozen_features(&batch)),
        bits(base().features(&batch))
    );
    let cached = Tensor::full([2, 24], 3.0, &Device::default());
    batch.frozen_features = Some(cached.clone());
    assert_eq!(bits(model.frozen_features(&batch)), bits(cached));
}

/// A batch that mixes tasks scores each image as its own adapter does alone.
#[test]
fn a_routed_batch_scores_each_image_as_its_adapter_alone() {
    let targets = r"blocks\.\d\.(attention\.[qv]|mlp\.fc1)\.weight";
    let snapshots: Vec<AdapterSnapshot> = [1, 2]
        .map(|seed| AdapterSnapshot::of(&adapted(targets, seed)))
        .into();
    let bank = attach_bank(base(), &snapshots, Selection::None).unwrap();
    let batch = batch(6);
    let groups = vec![(None, 1), (Some(0), 1), (Some(1), 4)];
    let routed = bits(select(bank.clone(), Selection::Groups(groups)).logits(&batch));
    let alone = [
        (Selection::None, vec![0]),
        (Selection::One(0), vec![1]),
        (Selection::One(1), vec![2, 3, 4, 5]),
    ];
    let alone: Vec<u32> = alone
        .into_iter()
        .flat_map(|(selection, rows)| {
            bits(select(bank.clone(), selection).logits(&batch.select(&rows)))
        })
        .collect();
    let value = |bits: &u32| f32::from_bits(*bits);
    for (routed, alone) in routed.iter().map(value).zip(alone.iter().map(value)) {
        assert!((routed - alone).abs() < 1e-5, "{routed} {alone}");
    }
}

/// Only adapters and the head are trained: nothing else gets a gradient tensor.
#[test]
fn frozen_weights_get_no_gradient() {
    let model = adapted(r"blocks\.2\.attention\.[qv]", 1).train();
    let device = Device::default().autodiff();
    let batch = batch(3);
    let images = Tensor::from_data(pixels(&batch).into_data(), &device);
    let gradients = model
        .loss(&ImageBatch::of_images(images, batch.labels))
        .backward();
    let weight = |param: &Param<Tensor<2>>| param.base().grad(&gradients).is_some();
    assert!(weight(&model.head.weight));
    for block in &model.blocks {
        let attention = &block.attention;
        for layer in [
            &attention.q,
            &attention.k,
            &attention.v,
            &attention.proj,
            &block.mlp.fc1,
        ] {
            assert!(!weight(&layer.weight));
        }
    }
    let adapters = treelora_lora::adapter_parameters(&model);
    let with_gradient = burn::optim::GradientsParams::from_grads(gradients, &model);
    for id in &adapters {
        assert!(with_gradient.get::<2>(*id).is_some());
    }
    assert_eq!(
        with_gradient.len(),
        adapters.len() + 2,
        "adapters, head weight, head bias"
    );
}
