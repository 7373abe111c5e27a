//! Order, determinism and errors of the prefetching pipeline.

use std::sync::Arc;

use treelora_cl_bench::{
    dataset::{Dataset, DatasetError, Picture, ProceduralConfig, Splits},
    image_pipeline::{
        Augmentation, ImageConfig, ImagePipeline, ImageTensorData, RandomResizedCrop, View,
    },
    stream::shuffled,
};

fn splits() -> Splits {
    let config = ProceduralConfig {
        classes: 5,
        train_per_class: 9,
        image_size: 16,
        ..ProceduralConfig::default()
    };
    config.generate().unwrap()
}

fn pipeline(workers: usize, augmentation: Augmentation) -> ImagePipeline {
    let config = ImageConfig {
        workers: Some(workers),
        augmentation,
        ..ImageConfig::default()
    };
    // Class 4 has the first label.
    let labels: Vec<_> = (0..5).map(|class| Some(4 - class)).collect();
    ImagePipeline::new(splits().train, &labels, 24, &config).unwrap()
}

fn augmentation() -> Augmentation {
    Augmentation {
        horizontal_flip: 0.5,
        random_resized_crop: Some(RandomResizedCrop::default()),
    }
}

fn collect(pipeline: &ImagePipeline, examples: &[usize], view: View) -> Vec<ImageTensorData> {
    let batches = pipeline.batches(examples, 4, view);
    batches.collect::<Result<_, _>>().unwrap()
}

#[test]
fn batches_keep_the_order_and_the_last_is_smaller() {
    let order = shuffled(&(0..45).collect::<Vec<_>>(), 3);
    let batches = collect(&pipeline(3, Augmentation::default()), &order, View::Plain);
    assert_eq!(batches.len(), 12);
    assert_eq!(batches[11].n, 1);
    let indices: Vec<usize> = batches.iter().flat_map(|b| b.indices.clone()).collect();
    assert_eq!(indices, order);
    for batch in &batches {
        for (label, index) in batch.labels.iter().zip(&batch.indices) {
            assert_eq!(*label, 4 - index / 9);
        }
        assert_eq!(batch.data.len(), batch.shape().iter().product::<usize>());
    }
}

#[test]
fn threads_have_no_influence() {
    let order: Vec<usize> = (0..45).rev().collect();
    let view = View::Augmented { seed: 5, epoch: 2 };
    let one = collect(&pipeline(1, augmentation()), &order, view);
    for workers in [2, 7] {
        assert_eq!(
            collect(&pipeline(workers, augmentation()), &order, view),
            one
        );
    }
    // Nor has the batch an example is in.
    let alone = pipeline(1, augmentation()).load(&[order[6]], view).unwrap();
    let size = 3 * 24 * 24;
    assert_eq!(alone.data, one[1].data[2 * size..3 * size]);
}

#[test]
fn augmentation_differs_by_seed_epoch_and_example_and_not_for_plain_views() {
    let pipeline = pipeline(1, augmentation());
    let see = |view| pipeline.load(&[7], view).unwrap().data;
    let first = see(View::Augmented { seed: 1, epoch: 0 });
    assert_eq!(first, see(View::Augmented { seed: 1, epoch: 0 }));
    assert_ne!(first, see(View::Augmented { seed: 1, epoch: 1 }));
    assert_ne!(first, see(View::Augmented { seed: 2, epoch: 0 }));
    assert_ne!(first, see(View::Plain));
}

#[test]
fn a_certain_flip_mirrors_every_row() {
    let flip = Augmentation {
        horizontal_flip: 1.0,
        random_resized_crop: None,
    };
    let pipeline = pipeline(1, flip);
    let plain = pipeline.load(&[3], View::Plain).unwrap().data;
    let view = View::Augmented { seed: 0, epoch: 0 };
    let mirrored = pipeline.load(&[3], view).unwrap().data;
    for (plain, mirrored) in plain.chunks_exact(24).zip(mirrored.chunks_exact(24)) {
        assert!(plain.iter().eq(mirrored.iter().rev()));
    }
}

#[test]
fn a_half_chance_flips_about_half() {
    let flip = Augmentation {
        horizontal_flip: 0.5,
        random_resized_crop: None,
    };
    let pipeline = pipeline(1, flip);
    let plain = pipeline.load(&[3], View::Plain).unwrap().data;
    let flipped = (0..200)
        .filter(|&epoch| {
            let view = View::Augmented { seed: 0, epoch };
            pipeline.load(&[3], view).unwrap().data != plain
        })
        .count();
    assert!((70..=130).contains(&flipped), "{flipped} of 200");
}

/// Pictures of which one does not decode.
struct Broken(Arc<dyn Dataset>);

impl Dataset for Broken {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn class(&self, index: usize) -> usize {
        self.0.class(index)
    }

    fn picture(&self, index: usize) -> Result<Picture, DatasetError> {
        match index {
            13 => Err(DatasetError::Image {
                path: "bad.png".into(),
                problem: "no picture".into(),
            }),
            14 => panic!("a bug in a data set"),
            _ => self.0.picture(index),
        }
    }

    fn class_names(&self) -> &[String] {
        self.0.class_names()
    }
}

fn broken() -> ImagePipeline {
    let labels: Vec<_> = (0..5).map(Some).collect();
    let config = ImageConfig {
        workers: Some(2),
        ..ImageConfig::default()
    };
    ImagePipeline::new(Arc::new(Broken(splits().train)), &labels, 16, &config).unwrap()
}

#[test]
fn an_error_comes_in_its_place_and_ends_the_pass() {
    let examples: Vec<usize> = (0..14).collect();
    let mut batches = broken().batches(&examples, 2, View::Plain);
    for _ in 0..6 {
        batches.next().unwrap().unwrap();
    }
    let error = batches.next().unwrap().unwrap_err();
    assert!(error.to_string().contains("bad.png"), "{error}");
    assert!(batches.next().is_none());
}

#[test]
#[should_panic(expected = "a bug in a data set")]
fn a_panic_of_a_worker_reaches_the_caller() {
    broken()
        .batches(&[0, 1, 14, 2], 1, View::Plain)
        .for_each(drop);
}

#[test]
#[should_panic(expected = "class 1, which has no label")]
fn an_example_outside_the_stream_is_a_bug() {
    let labels = [Some(0), None, None, None, None];
    let pipeline =
        ImagePipeline::new(splits().train, &labels, 16, &ImageConfig::default()).unwrap();
    pipeline.load(&[9], View::Plain).ok();
}

#[test]
fn dropping_a_pass_stops_its_workers() {
    let pipeline = pipeline(2, Augmentation::default());
    let examples: Vec<usize> = (0..45).cycle().take(10_000).collect();
    let mut batches = pipeline.batches(&examples, 1, View::Plain);
    batches.next().unwrap().unwrap();
    // Would wait for 10,000 batches, or for ever on a full channel, if the workers went on.
    drop(batches);
    assert_eq!(pipeline.batches(&[], 4, View::Plain).count(), 0);
}

#[test]
fn settings_out_of_range_name_their_key() {
    let check = |toml: &str, key: &str| {
        let config: ImageConfig = toml::from_str(toml).unwrap();
        let error = ImagePipeline::new(splits().train, &[], 32, &config).err();
        let message = error.unwrap().to_string();
        assert!(message.contains(&format!("`{key}`")), "{message}");
    };
    check("workers = 0", "workers");
    check("prefetch = 0", "prefetch");
    check("resize = 31", "resize");
    check(
        "augmentation.horizontal_flip = 1.5",
        "augmentation.horizontal_flip",
    );
    check(
        "augmentation.random_resized_crop.scale = [0.0, 1.0]",
        "augmentation.random_resized_crop.scale",
    );
    check(
        "normalization = { custom = { mean = [0, 0, 0], std = [1, 0, 1] } }",
        "normalization.custom.std",
    );
    let unknown = toml::from_str::<ImageConfig>("resizes = 31").unwrap_err();
    assert!(unknown.to_string().contains("resizes"));
}

#[test]
fn settings_survive_toml() {
    let config: ImageConfig = toml::from_str(
        "resize = 256\ninterpolation = 'bilinear'\nnormalization = 'imagenet'\n\
         [augmentation]\nhorizontal_flip = 0.5\nrandom_resized_crop = { scale = [0.5, 1.0] }\n",
    )
    .unwrap();
    let text = toml::to_string(&config).unwrap();
    assert_eq!(toml::from_str::<ImageConfig>(&text).unwrap(), config);
}
