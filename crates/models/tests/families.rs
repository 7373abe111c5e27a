//! Laws of every family of vision models.
#![allow(clippy::unwrap_used)]

use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use treelora_core::{Batch, Error, Prefixes, ReadOut};
use treelora_lora::{LoraConfig, attach};
use treelora_models::{
    Precision,
    vision::{FamilyVisitor, ImageBatch, ImageInput, VisionFamily, VisionModel, VisionShape, head},
};

const CLASSES: usize = 5;

/// A law, generic over the model.
trait Law {
    fn holds<M: VisionModel>(&self, shape: &M::Shape);
}

fn for_every_family(law: &impl Law) {
    struct Holds<'a, L>(&'a L);
    impl<L: Law> FamilyVisitor for Holds<'_, L> {
        type Output = ();
        fn visit<M: VisionModel>(self, shape: &M::Shape) {
            self.0.holds::<M>(shape);
        }
    }
    let families = VisionFamily::smallest();
    assert_eq!(families.len(), VisionFamily::ALL.len());
    for family in families {
        family.visit(Holds(law));
    }
}

/// With a head that answers.
fn model<M: VisionModel>(shape: &M::Shape, device: &Device) -> M {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let model = M::from_scratch(shape, CLASSES, &mut rng, device).unwrap();
    let width = model.head().weight.dims()[0];
    model.with_head(head(width, CLASSES, 0.5, &mut rng, device))
}

fn adapted<M: VisionModel>(model: M, pattern: &str) -> M {
    let config = LoraConfig {
        target_modules: vec![pattern.to_owned()],
        ..LoraConfig::new(2, 4.0)
    };
    attach(model, &config, &mut ChaCha8Rng::seed_from_u64(3)).unwrap()
}

fn batch(count: usize, shape: &impl VisionShape, device: &Device) -> ImageBatch {
    let size = shape.image_size();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let values: Vec<f32> = (0..count * 3 * size * size)
        .map(|_| StandardNormal.sample(&mut rng))
        .collect();
    let pixels = Tensor::from_data(TensorData::new(values, [count, 3, size, size]), device);
    ImageBatch::of_images(pixels, (0..count).map(|i| i % CLASSES).collect())
}

fn pixels(batch: &ImageBatch) -> Tensor<4> {
    match &batch.input {
        ImageInput::Images(images) => images.clone(),
        ImageInput::Hidden { .. } => unreachable!(),
    }
}

/// Equal bits on the CPU; other devices choose kernels by shape.
#[track_caller]
fn assert_same<const D: usize>(ours: Tensor<D>, theirs: Tensor<D>, what: &str) {
    assert_eq!(ours.dims(), theirs.dims(), "{what}");
    if Device::default() == Device::flex() {
        let bits = |tensor: Tensor<D>| -> Vec<u32> {
            tensor.into_data().iter::<f32>().map(f32::to_bits).collect()
        };
        assert!(bits(ours) == bits(theirs), "{what}: other bits");
    } else {
        let difference = (ours - theirs).abs().max().into_scalar::<f32>();
        assert!(difference < 1e-4, "{what}: off by {difference}");
    }
}

#[test]
fn a_name_with_a_shape_reads_back_as_itself() {
    for family in VisionFamily::smallest() {
        let table = serde_json::to_value(&family).unwrap();
        assert_eq!(
            VisionFamily::read(family.name(), table.clone()).unwrap(),
            family
        );
        let mut wrong = table;
        wrong["dept"] = 3.into();
        let error = VisionFamily::read(family.name(), wrong).unwrap_err();
        assert!(error.contains("dept"), "{error}");
    }
    let error = VisionFamily::read("perceptron", serde_json::json!({})).unwrap_err();
    for word in ["perceptron", VisionFamily::DEFAULT] {
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_seed_gives_the_same_model_and_another_seed_another() {
    struct Seeds;
    impl Law for Seeds {
        fn holds<M: VisionModel>(&self, shape: &M::Shape) {
            let device = Device::default();
            let batch = batch(3, shape, &device);
            let features = |seed| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let model = M::from_scratch(shape, CLASSES, &mut rng, &device).unwrap();
                model.features(&batch)
            };
            assert_same(features(1), features(1), M::NAME);
            let difference = (features(1) - features(2)).abs().max();
            assert!(difference.into_scalar::<f32>() > 0.0, "{}", M::NAME);
        }
    }
    for_every_family(&Seeds);
}

#[test]
fn activations_computed_once_change_nothing() {
    struct Prefix;
    impl Law for Prefix {
        fn holds<M: VisionModel>(&self, shape: &M::Shape) {
            let device = Device::default();
            let (model, batch) = (model::<M>(shape, &device), batch(5, shape, &device));
            for block in 0..=model.depth() {
                let what = format!("{} up to block {block}", M::NAME);
                let tokens = model.frozen_prefix(pixels(&batch), block);
                let hidden = ImageBatch {
                    input: ImageInput::Hidden { block, tokens },
                    ..batch.clone()
                };
                assert_same(model.logits(&hidden), model.logits(&batch), &what);
                assert_same(model.loss(&hidden), model.loss(&batch), &what);
            }
        }
    }
    for_every_family(&Prefix);
}

#[test]
fn an_image_has_its_features_in_every_batch() {
    struct Alone;
    impl Law for Alone {
        fn holds<M: VisionModel>(&self, shape: &M::Shape) {
            let device = Device::default();
            let (model, all) = (model::<M>(shape, &device), batch(13, shape, &device));
            let rows: Vec<usize> = (0..13).rev().collect();
            for size in [1, 2, 5] {
                let mut scores = Vec::new();
                for rows in rows.chunks(size) {
                    let batch = all.select(rows);
                    scores.push((model.features(&batch), model.logits(&batch)));
                }
                let (features, logits): (Vec<_>, Vec<_>) = scores.into_iter().unzip();
                let what = format!("{} in batches of {size}", M::NAME);
                let together = all.select(&rows);
                assert_same(Tensor::cat(features, 0), model.features(&together), &what);
                assert_same(Tensor::cat(logits, 0), model.logits(&together), &what);
            }
        }
    }
    for_every_family(&Alone);
}

#[test]
fn the_whole_model_is_embed_run_and_read_out_and_every_token_counts() {
    struct Whole;
    impl Law for Whole {
        fn holds<M: VisionModel>(&self, shape: &M::Shape) {
            let device = Device::default();
            let (model, batch) = (model::<M>(shape, &device), batch(4, shape, &device));
            let embedded = model.embed(&batch);
            assert_eq!(
                embedded.states().dims()[1],
                model.positions(),
                "{}",
                M::NAME
            );
            assert_eq!(embedded.states().dims()[2], model.width(), "{}", M::NAME);
            for stop in 0..=model.depth() {
                let tokens = model.run(embedded.clone(), stop, &Prefixes::none());
                let tokens = model.run(tokens, model.depth(), &Prefixes::none());
                let what = format!("{}, stopped before block {stop}", M::NAME);
                let features = model.read_out(&tokens, ReadOut::Model);
                assert_same(features, model.features(&batch), &what);
                assert_same(
                    model.logits_of(&tokens, &batch),
                    model.logits(&batch),
                    &what,
                );
                assert_same(model.loss_of(&tokens, &batch), model.loss(&batch), &what);
            }
            // Blocks mix tokens: each has an influence on the features.
            let features = model.features(&batch);
            for position in 0..model.positions() {
                let changed = embedded.clone().map(|states| {
                    let noise = Tensor::ones([4, 1, model.width()], &device)
                        * Tensor::<1>::from_data(
                            TensorData::new(
                                (0..model.width())
                                    .map(|i| (i % 3) as f32)
                                    .collect::<Vec<_>>(),
                                [model.width()],
                            ),
                            &device,
                        )
                        .unsqueeze();
                    let at = position..position + 1;
                    let row = states.clone().narrow(1, position, 1) + noise;
                    states.slice_assign([0..4, at, 0..model.width()], row)
                });
                let tokens = model.run(changed, model.depth(), &Prefixes::none());
                let other = model.read_out(&tokens, ReadOut::Model);
                let difference = (other - features.clone()).abs().max();
                let what = format!("{}, token {position}", M::NAME);
                assert!(difference.into_scalar::<f32>() > 1e-6, "{what}");
            }
        }
    }
    for_every_family(&Whole);
}

#[test]
fn what_stays_frozen_ends_before_the_first_adapter() {
    struct Frozen;
    impl Law for Frozen {
        fn holds<M: VisionModel>(&self, shape: &M::Shape) {
            let device = Device::default().autodiff();
            let base = model::<M>(shape, &device);
            let last = base.depth() - 1;
            let usual = adapted(base.clone(), M::ADAPTED);
            assert_eq!(usual.first_adapted_block(), Some(0), "{}", M::NAME);
            let in_last = format!(r"^blocks\.{last}\..*{}", M::ADAPTED);
            let late = adapted(base.clone(), &in_last);
            assert_eq!(late.frozen_until(), Some(last), "{}", M::NAME);
            // What is trained without an adapter counts as well.
            let trained = |pattern: &str| {
                let config = LoraConfig {
                    target_modules: vec![in_last.clone()],
                    trainable: vec![pattern.to_owned()],
                    ..LoraConfig::new(2, 4.0)
                };
                let mut rng = ChaCha8Rng::seed_from_u64(3);
                attach(base.clone(), &config, &mut rng).unwrap()
            };
            assert_eq!(trained(r"^(head|norm)\.").frozen_until(), Some(last));
            assert_eq!(trained(r"^blocks\.0\..*bias$").frozen_until(), Some(0));
            assert_eq!(trained(r"^patch_embedding\.").frozen_until(), None);
            assert_eq!(base.no_grad().frozen_until(), Some(last + 1));
        }
    }
    for_every_family(&Frozen);
}

#[test]
fn a_base_of_half_precision_answers_nearly_the_same() {
    struct Half;
    impl Law for Half {
        fn holds<M: VisionModel>(&self, shape: &M::Shape) {
            let device = Device::default();
            if Precision::Bf16.check_on(&device).is_err() {
                return;
            }
            let (model, batch) = (model::<M>(shape, &device), batch(3, shape, &device));
            let full = model.logits(&batch);
            let half = model.in_precision(Precision::Bf16).logits(&batch);
            let difference = (full - half).abs().max().into_scalar::<f32>();
            assert!(
                difference > 0.0 && difference < 0.1,
                "{}: {difference}",
                M::NAME
            );
        }
    }
    for_every_family(&Half);
}

#[test]
fn a_written_model_is_read_as_it_was() {
    struct Written;
    impl Law for Written {
        fn holds<M: VisionModel>(&self, shape: &M::Shape) {
            let Some(files) = M::files() else {
                return;
            };
            let device = Device::default();
            let (model, batch) = (model::<M>(shape, &device), batch(3, shape, &device));
            let folder = tempfile::tempdir().unwrap();
            (files.save)(&model, folder.path(), &[0.5; 3], &[0.5; 3]).unwrap();
            let path = folder.path().join("model.safetensors");
            let read = (files.load)(shape, CLASSES + 1, &path, &device).unwrap();
            assert_same(read.features(&batch), model.features(&batch), M::NAME);
            assert_eq!(read.head().weight.dims()[1], CLASSES + 1);
            let nowhere = (files.load)(shape, CLASSES, &folder.path().join("none"), &device);
            let error = nowhere.err().unwrap();
            assert!(matches!(&error, Error::Data(problem) if problem.contains("none")));
        }
    }
    for_every_family(&Written);
}
