//! Properties that hold for every shape and input.
#![allow(clippy::unwrap_used)]

use burn::{
    module::Module,
    tensor::{Device, Distribution, Tensor},
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use treelora_core::{Batch, ContinualModel, Features, TensorFile};
use treelora_models::{
    vision::VisionModel,
    vit::{Block, ImageBatch, ImageInput, VisionTransformer, VitConfig, head},
};

fn small() -> VitConfig {
    VitConfig {
        image_size: 32,
        patch_size: 8,
        width: 48,
        depth: 3,
        heads: 3,
        mlp_width: 96,
        classes: 6,
        ..VitConfig::tiny()
    }
}

fn model(config: &VitConfig) -> VisionTransformer {
    config
        .init(&mut ChaCha8Rng::seed_from_u64(7), &Device::default())
        .unwrap()
}

fn images(count: usize, size: usize) -> Tensor<4> {
    let device = Device::default();
    Tensor::random(
        [count, 3, size, size],
        Distribution::Normal(0.0, 1.0),
        &device,
    )
}

fn batch(count: usize) -> ImageBatch {
    ImageBatch::of_images(images(count, 32), (0..count).map(|i| i % 6).collect())
}

fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    tensor.into_data().iter::<f32>().map(f32::to_bits).collect()
}

/// Equal bits on the CPU. Other devices choose kernels by shape, so that a row rounds differently in
/// another batch.
fn assert_same_rows(ours: Tensor<2>, theirs: Tensor<2>, what: &str) {
    if Device::default() == Device::flex() {
        assert!(bits(ours) == bits(theirs), "{what}");
    } else {
        let difference = (ours - theirs).abs().max().into_scalar::<f32>();
        assert!(difference < 1e-4, "{what} by {difference}");
    }
}

#[test]
fn the_frozen_prefix_changes_nothing() {
    let model = model(&small());
    let batch = batch(5);
    let ImageInput::Images(images) = &batch.input else {
        unreachable!()
    };
    let expected = bits(model.logits(&batch));
    for block in 0..=3 {
        let tokens = model.frozen_prefix(images.clone(), block);
        let hidden = ImageBatch {
            input: ImageInput::Hidden { block, tokens },
            ..batch.clone()
        };
        assert_eq!(
            bits(model.logits(&hidden)),
            expected,
            "prefix of {block} blocks"
        );
        assert_eq!(bits(model.loss(&hidden)), bits(model.loss(&batch)));
    }
}

#[test]
fn the_read_out_of_the_last_block_is_the_whole_block() {
    let model = model(&small());
    let tokens = model.run_blocks(model.embed_images(images(4, 32)), 0, 2);
    let whole = model.blocks[2]
        .forward(tokens.clone())
        .narrow(1, 0, Block::READ_OUT);
    let alone = model.blocks[2].forward_read_out(tokens);
    let difference = (whole - alone).abs().max().into_scalar::<f32>();
    assert!(difference < 1e-5, "{difference}");
}

/// The same image scores the same whatever shares its batch.
#[test]
fn logits_do_not_depend_on_the_batch() {
    let published_width = VitConfig {
        width: 192,
        mlp_width: 768,
        ..small()
    };
    let wide = VitConfig {
        width: 768,
        mlp_width: 3072,
        depth: 1,
        ..small()
    };
    for config in [small(), published_width, wide] {
        let model = model(&config);
        let all = batch(64);
        let together = model.logits(&all);
        for size in [1, 7] {
            let rows: Vec<usize> = (0..64).collect();
            let apart = rows
                .chunks(size)
                .map(|rows| model.logits(&all.select(rows)))
                .collect();
            let what = format!("width {}: batches of {size} differ", config.width);
            assert_same_rows(Tensor::cat(apart, 0), together.clone(), &what);
        }
    }
}

#[test]
fn the_loss_ignores_classes_that_are_not_allowed() {
    let model = model(&small());
    let allowed = Some([1, 3].as_slice().into());
    let batch = ImageBatch {
        labels: vec![1, 3, 3],
        allowed,
        ..batch(3)
    };
    let before = bits(model.loss(&batch));
    let loud = model.head.bias.as_ref().unwrap().val();
    let loud = loud + Tensor::from_data([50.0, 0.0, 50.0, 0.0, 50.0, 50.0], &Device::default());
    let mut changed = model.clone();
    changed.head.bias = Some(burn::module::Param::from_tensor(loud));
    assert_eq!(bits(changed.loss(&batch)), before);
    let open = ImageBatch {
        allowed: None,
        ..batch
    };
    assert!(changed.loss(&open).into_scalar::<f32>() > 40.0);
}

#[test]
fn selecting_and_joining_give_the_rows_back() {
    let pixels = batch(5);
    let model = model(&small());
    let ImageInput::Images(images) = &pixels.input else {
        unreachable!()
    };
    let tokens = model.frozen_prefix(images.clone(), 2);
    let hidden = ImageBatch {
        allowed: Some([0, 1, 2, 3, 4].as_slice().into()),
        frozen_features: Some(model.frozen_features(&pixels)),
        ..ImageBatch::new(
            ImageInput::Hidden { block: 2, tokens },
            pixels.labels.clone(),
        )
    };
    for batch in [pixels, hidden] {
        let joined = Batch::concat(vec![batch.select(&[3, 1]), batch.select(&[0, 4, 2])]);
        assert_eq!(joined.labels, [3, 1, 0, 4, 2]);
        assert_eq!(joined.allowed, batch.allowed);
        let back = joined.select(&[2, 1, 4, 0, 3]);
        assert_eq!(bits(model.logits(&back)), bits(model.logits(&batch)));
        let features = |batch: &ImageBatch| batch.frozen_features.clone().map(bits);
        assert_eq!(features(&back), features(&batch));

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("batch.safetensors");
        let mut file = TensorFile::new();
        batch.save("memory.0", &mut file);
        file.save(&path).unwrap();
        let file = TensorFile::load(&path).unwrap();
        let read = ImageBatch::load("memory.0", &file, &Device::default()).unwrap();
        assert_eq!(
            (&read.labels, &read.allowed),
            (&batch.labels, &batch.allowed)
        );
        assert_eq!(bits(model.logits(&read)), bits(model.logits(&batch)));
        assert_eq!(features(&read), features(&batch));
        let error = ImageBatch::load("memory.1", &file, &Device::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("memory.1"), "{error}");
    }
}

#[test]
#[should_panic(expected = "cannot join")]
fn pixels_and_activations_do_not_join() {
    let model = model(&small());
    let tokens = model.frozen_prefix(images(1, 32), 1);
    let hidden = ImageBatch::new(ImageInput::Hidden { block: 1, tokens }, vec![0]);
    let _ = ImageBatch::concat(vec![hidden, batch(1)]);
}

#[test]
fn a_seed_is_a_model() {
    let config = small();
    let draw = |seed| {
        config
            .init(&mut ChaCha8Rng::seed_from_u64(seed), &Device::default())
            .unwrap()
    };
    let batch = batch(2);
    assert_eq!(bits(draw(1).logits(&batch)), bits(draw(1).logits(&batch)));
    assert_ne!(bits(draw(1).logits(&batch)), bits(draw(2).logits(&batch)));
    assert!(
        VitConfig { heads: 5, ..config }
            .init(&mut ChaCha8Rng::seed_from_u64(1), &Device::default())
            .is_err()
    );
}

#[test]
fn another_head_scores_other_classes_with_the_same_features() {
    let model = model(&small());
    let batch = batch(2);
    let features = bits(model.features(&batch));
    let head = head(
        48,
        11,
        0.02,
        &mut ChaCha8Rng::seed_from_u64(3),
        &Device::default(),
    );
    let model = model.with_head(head);
    assert_eq!(model.logits(&batch).dims(), [2, 11]);
    assert_eq!(model.config().classes, 11);
    assert_eq!(bits(model.features(&batch)), features);
}

/// Every parameter takes part: each gets a gradient tensor, and none of them is all zero.
#[test]
fn every_parameter_learns() {
    use burn::module::{ModuleVisitor, Param};
    use burn::tensor::Gradients;
    struct Learns {
        gradients: Gradients,
        path: Vec<String>,
        silent: Vec<String>,
    }
    impl ModuleVisitor for Learns {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = param.val().grad(&self.gradients);
            if gradient.is_none_or(|g| g.abs().max().into_scalar::<f32>() == 0.0) {
                self.silent.push(self.path.join("."));
            }
        }
    }
    let device = Device::default().autodiff();
    let model = small()
        .init(&mut ChaCha8Rng::seed_from_u64(7), &device)
        .unwrap();
    let images = Tensor::random([3, 3, 32, 32], Distribution::Normal(0.0, 1.0), &device);
    let gradients = model
        .loss(&ImageBatch::of_images(images, vec![0, 3, 5]))
        .backward();
    let mut learns = Learns {
        gradients,
        path: Vec::new(),
        silent: Vec::new(),
    };
    model.visit(&mut learns);
    // A key bias shifts all scores of a query alike, which the softmax does not see.
    learns
        .silent
        .retain(|path| !path.ends_with("attention.k.bias"));
    assert!(learns.silent.is_empty(), "no gradient: {:?}", learns.silent);
}
