//! Images a second that the pipeline prepares on its own: what the model must not have to wait for.
//!
//! Pictures of CIFAR's size come from memory, so that the time is that of resizing, normalising and handing over; those
//! of a photo's size come from JPEG files, and are decoded too. All are generated.

use std::{fs, hint::black_box, path::Path, sync::Arc};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use image::{RgbImage, codecs::jpeg::JpegEncoder, imageops::FilterType};
use treelora_cl_bench::{
    dataset::{Dataset, DatasetError, ImageFolder, Picture, ProceduralConfig},
    image_pipeline::{Augmentation, ImageConfig, ImagePipeline, RandomResizedCrop, View},
};

const IMAGES: usize = 512;
const BATCH: usize = 32;
const PHOTOS: usize = 64;
const PHOTO: [u32; 2] = [500, 375];
const QUALITY: u8 = 90;

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

/// The first pictures of `dataset` as JPEG files of a photo's size, in the layout of an image folder below `root`.
fn photos(dataset: &dyn Dataset, root: &Path) -> Arc<dyn Dataset> {
    for (split, count) in [("train", PHOTOS), ("test", 1)] {
        let folder = root.join(split).join("only");
        fs::create_dir_all(&folder).expect("a temporary folder can be written");
        for index in 0..count {
            let picture = dataset.picture(index).expect("generated");
            let small = RgbImage::from_raw(picture.width(), picture.height(), picture.rgb().into());
            let small = small.expect("three bytes a pixel");
            let large = image::imageops::resize(&small, PHOTO[0], PHOTO[1], FilterType::CatmullRom);
            let file = fs::File::create(folder.join(format!("{index}.jpg")));
            JpegEncoder::new_with_quality(file.expect("a temporary file"), QUALITY)
                .encode_image(&large)
                .expect("written");
        }
    }
    ImageFolder::open(root).expect("just written").train
}

fn image_pipeline(criterion: &mut Criterion) {
    let small = in_memory();
    let root = tempfile::tempdir().expect("a temporary folder");
    let photos = photos(small.as_ref(), root.path());
    let augmented = Augmentation {
        horizontal_flip: 0.5,
        random_resized_crop: Some(RandomResizedCrop::default()),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut group = criterion.benchmark_group("image_pipeline");
    group.sample_size(10);
    let [width, height] = PHOTO;
    let sources: [(String, Arc<dyn Dataset>); 2] = [
        ("32 to 224".into(), small),
        (format!("JPEG {width}x{height} to 224"), photos),
    ];
    for (source, dataset) in sources {
        let examples: Vec<usize> = (0..dataset.len()).collect();
        group.throughput(Throughput::Elements(examples.len() as u64));
        for (name, augmentation) in [("plain", Augmentation::default()), ("augmented", augmented)] {
            for workers in [1, cores] {
                let config = ImageConfig {
                    workers: Some(workers),
                    augmentation,
                    ..ImageConfig::default()
                };
                let pipeline = ImagePipeline::new(dataset.clone(), &[Some(0)], 224, &config)
                    .expect("the settings are in range");
                let id =
                    BenchmarkId::new(format!("{source}, {name}"), format!("{workers} workers"));
                group.bench_function(id, |bencher| {
                    bencher.iter(|| {
                        let view = View::Augmented { seed: 0, epoch: 0 };
                        for batch in pipeline.batches(&examples, BATCH, view) {
                            black_box(batch.expect("readable"));
                        }
                    });
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, image_pipeline);
criterion_main!(benches);
