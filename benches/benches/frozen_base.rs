//! What need not be done because the base is frozen: the time with each saving over the time without it, in turns.
//!
//! ViT-Ti/16 at 224 pixels with random weights (speed does not depend on them), rank 8 on the query and value
//! projections of the last six of twelve blocks, batch 32.

use std::{
    convert::Infallible,
    hint::black_box,
    time::{Duration, Instant},
};

use burn::{
    module::Module,
    tensor::{Device, Distribution, Tensor},
};
use criterion::{Criterion, criterion_group, criterion_main};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use treelora_benches::{Quantity, Turns};
use treelora_class_incremental::group_by_task;
use treelora_core::{Batch, ContinualModel, Features, TaskId};
use treelora_lora::{AdapterSnapshot, LoraConfig, Selection};
use treelora_models::{
    vision::VisionModel,
    vit::{ImageBatch, ImageInput, VisionTransformer, VitConfig},
};

const BATCH: usize = 32;
const CLASSES: usize = 100;
const FIRST_ADAPTED: usize = 6;
const ADAPTERS: usize = 4;

fn base(device: &Device) -> VisionTransformer {
    let config = VitConfig {
        classes: CLASSES,
        ..VitConfig::tiny()
    };
    let rng = &mut ChaCha8Rng::seed_from_u64(0);
    config.init(rng, device).expect("the preset is valid")
}

/// The model with an adapter on its last six blocks.
fn adapted(device: &Device) -> VisionTransformer {
    let lora = LoraConfig {
        target_modules: vec![r"^blocks\.(6|7|8|9|10|11)\.attention\.(q|v)\.weight$".into()],
        trainable: vec![r"^head\.".into()],
        ..LoraConfig::new(8, 8.0)
    };
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    treelora_lora::attach(base(device), &lora, rng).expect("the model has the layers")
}

fn images(device: &Device) -> Tensor<4> {
    Tensor::random([BATCH, 3, 224, 224], Distribution::Normal(0.0, 1.0), device)
}

fn batch(input: ImageInput) -> ImageBatch {
    ImageBatch::new(input, (0..BATCH).map(|image| image % CLASSES).collect())
}

/// The same batch as it enters the first adapted block, and as images.
fn cached_and_whole(model: &VisionTransformer, device: &Device) -> [ImageBatch; 2] {
    let images = images(device);
    let tokens = model.frozen_prefix(images.clone(), FIRST_ADAPTED);
    let block = FIRST_ADAPTED;
    [
        ImageInput::Hidden { block, tokens },
        ImageInput::Images(images),
    ]
    .map(batch)
}

/// Time of `work` until the device is idle.
fn time<T>(device: &Device, work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    let result = black_box(work());
    device.sync().expect("the device works");
    let elapsed = start.elapsed();
    drop(result);
    elapsed
}

/// Benchmarks the time of `with` over that of `without`, taken in turns.
fn ratio(
    criterion: &mut Criterion<Quantity>,
    name: &str,
    mut with: impl FnMut() -> Duration,
    mut without: impl FnMut() -> Duration,
) {
    let mut group = criterion.benchmark_group("frozen_base_ratio");
    group.sample_size(10);
    let mut turns = Turns::default();
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|rounds| turns.quotients(rounds, &mut with, &mut without));
    });
    group.finish();
}

/// A training step that goes back to the first adapted block, over one that goes back to the first block.
fn backward(criterion: &mut Criterion<Quantity>) {
    let device = Device::default().autodiff();
    let model = adapted(&device);
    let tokens = model.embed_images(images(&device)).detach();
    let [short, long] = [tokens.clone(), tokens.require_grad()]
        .map(|tokens| batch(ImageInput::Hidden { block: 0, tokens }));
    let step = |batch| time(&device, || model.loss(batch).backward());
    ratio(
        criterion,
        "no backward below the first adapted block",
        || step(&short),
        || step(&long),
    );
}

/// A training step from what was kept of the frozen blocks, over one from the images.
fn cached_prefix(criterion: &mut Criterion<Quantity>) {
    let device = Device::default().autodiff();
    let model = adapted(&device);
    let [cached, whole] = cached_and_whole(&model, &device);
    let step = |batch| time(&device, || model.loss(batch).backward());
    ratio(
        criterion,
        "training from the cached prefix",
        || step(&cached),
        || step(&whole),
    );
}

/// Features of the frozen model, which floors and task inference need, that go on from the cached prefix, over a pass of
/// their own.
fn frozen_features(criterion: &mut Criterion<Quantity>) {
    let device = Device::default();
    let model = base(&device);
    let [cached, whole] = cached_and_whole(&model, &device);
    let pass = |batch| time(&device, || model.features(batch));
    ratio(
        criterion,
        "frozen features from the cached prefix",
        || pass(&cached),
        || pass(&whole),
    );
}

/// Evaluation of a model without autodiff, over the same with it.
fn evaluation(criterion: &mut Criterion<Quantity>) {
    let device = Device::default();
    let tracked = adapted(&device.clone().autodiff());
    let plain = tracked.valid();
    let images = images(&device);
    let on_tape = batch(ImageInput::Images(
        images.clone().to_device(&device.clone().autodiff()),
    ));
    let without = batch(ImageInput::Images(images));
    ratio(
        criterion,
        "evaluation without autodiff",
        || time(&device, || plain.logits(&without)),
        || time(&device, || tracked.logits(&on_tape)),
    );
}

/// A batch whose samples need four adapters, answered in four groups, over one by one.
fn grouped(criterion: &mut Criterion<Quantity>) {
    let device = Device::default();
    let adapter = AdapterSnapshot::of(&adapted(&device));
    let adapters = vec![adapter; ADAPTERS];
    let bank = treelora_lora::attach_bank(base(&device), &adapters, Selection::One(0))
        .expect("the adapters fit");
    let images = batch(ImageInput::Images(images(&device)));
    let tasks: Vec<TaskId> = (0..BATCH).map(|image| TaskId(image % ADAPTERS)).collect();
    let answer = |task: TaskId, positions: &[usize]| {
        let model = treelora_lora::select(bank.clone(), Selection::One(task.0));
        model.logits(&images.select(positions))
    };
    let routing = group_by_task(&tasks);
    let each = || {
        let rows = tasks.iter().enumerate();
        let rows = rows.map(|(position, task)| answer(*task, &[position]));
        Tensor::cat(rows.collect(), 0)
    };
    ratio(
        criterion,
        "samples grouped by adapter",
        || {
            let answer = |task, positions: &[usize]| Ok::<_, Infallible>(answer(task, positions));
            time(&device, || routing.scatter(answer).expect("cannot fail"))
        },
        || time(&device, each),
    );
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(Quantity::RATIO);
    targets = backward, cached_prefix, frozen_features, evaluation, grouped
}
criterion_main!(benches);
