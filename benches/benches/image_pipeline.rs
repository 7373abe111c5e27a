//! Images a second that the pipeline prepares on its own: what the model must not have to wait for.
//!
//! The pictures are generated at CIFAR's size beforehand, so that decoding is a copy and the time is
//! that of resizing, normalising and handing over.

use std::{hint::black_box, sync::Arc};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use treelora_cl_bench::{
    dataset::{Dataset, DatasetError, Picture, ProceduralConfig},
    image_pipeline::{Augmentation, ImageConfig, ImagePipeline, RandomResizedCrop, View},
};

const IMAGES: usize = 512;
const BATCH: usize = 32;

/// Pictures in memory.
struct InMemory {
    pictures: Vec<Picture>,
    class_names: Vec<String>,
}

impl Dataset for InMemory {
    fn len(&self) -> usize {
        self.pictures.len()
    }

    fn class(&self, _index: usize) -> usize {
        0
    }

    fn picture(&self, index: usize) -> Result<Picture, DatasetError> {
        Ok(self.pictures[index].clone())
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }
}

fn in_memory() -> Arc<InMemory> {
    let config = ProceduralConfig {
        classes: 1,
        train_per_class: IMAGES,
        ..ProceduralConfig::default()
    };
    let train = config.generate().expect("the settings are in range").train;
    let pictures = (0..IMAGES).map(|index| train.picture(index));
    Arc::new(InMemory {
        pictures: pictures.collect::<Result<_, _>>().expect("generated"),
        class_names: vec!["only".into()],
    })
}

fn image_pipeline(criterion: &mut Criterion) {
    let dataset = in_memory();
    let augmented = Augmentation {
        horizontal_flip: 0.5,
        random_resized_crop: Some(RandomResizedCrop::default()),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut group = criterion.benchmark_group("image_pipeline");
    group
        .throughput(Throughput::Elements(IMAGES as u64))
        .sample_size(10);
    for (name, augmentation) in [("plain", Augmentation::default()), ("augmented", augmented)] {
        for workers in [1, cores] {
            let config = ImageConfig {
                workers: Some(workers),
                augmentation,
                ..ImageConfig::default()
            };
            let pipeline = ImagePipeline::new(dataset.clone(), &[Some(0)], 224, &config)
                .expect("the settings are in range");
            let examples: Vec<usize> = (0..IMAGES).collect();
            let id = BenchmarkId::new(format!("32 to 224, {name}"), format!("{workers} workers"));
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    let view = View::Augmented { seed: 0, epoch: 0 };
                    for batch in pipeline.batches(&examples, BATCH, view) {
                        black_box(batch.expect("in memory"));
                    }
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, image_pipeline);
criterion_main!(benches);
