//! What TreeLoRA adds to a training step, and what the number of past tasks adds to TreeLoRA.
//!
//! ViT-Ti/16 at 224 pixels with random weights (speed does not depend on them), rank 8 on the query
//! and value projections of the last six blocks, cached prefix, batch 32.

use std::hint::black_box;

use burn::{
    module::Module,
    optim::{AdamConfig, GradientsParams, ModuleOptimizer},
    tensor::{Device, Distribution, Tensor},
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use treelora::{TreeLora, TreeLoraConfig};
use treelora_core::{Method, StepInfo, Task, TaskId};
use treelora_lora::LoraConfig;
use treelora_models::vit::{ImageBatch, ImageInput, VisionTransformer, VitConfig};

const BATCH: usize = 32;

fn lora() -> LoraConfig {
    LoraConfig {
        target_modules: vec![r"^blocks\.(6|7|8|9|10|11)\.attention\.(q|v)\.weight$".into()],
        trainable: vec!["^head\\.".into()],
        ..LoraConfig::new(8, 8.0)
    }
}

fn batch(size: usize, device: &Device) -> ImageBatch {
    let tokens = Tensor::random([size, 197, 192], Distribution::Normal(0.0, 1.0), device);
    ImageBatch::new(
        ImageInput::Hidden { block: 6, tokens },
        (0..size).map(|i| i % 10).collect(),
    )
}

fn step_info(task: usize, step: usize) -> StepInfo {
    StepInfo {
        task: TaskId(task),
        epoch: 0,
        epochs: 1,
        step,
        steps: 1000,
    }
}

fn task(id: usize) -> Task {
    Task {
        id: TaskId(id),
        name: format!("task {id}"),
        classes: (0..10).collect(),
    }
}

fn model(device: &Device) -> VisionTransformer {
    let config = VitConfig {
        classes: 100,
        ..VitConfig::tiny()
    };
    config
        .init(&mut ChaCha8Rng::seed_from_u64(0), device)
        .expect("the preset is valid")
}

/// A method that has learned `past` tasks of one step each.
fn after_tasks(past: usize, device: &Device) -> (TreeLora, VisionTransformer) {
    let config = TreeLoraConfig {
        lora: lora(),
        ..TreeLoraConfig::default()
    };
    let mut method = TreeLora::new(config).expect("the defaults are valid");
    let mut model = method
        .attach(model(device))
        .expect("the model has the layers");
    let few = batch(1, device);
    for id in 0..past {
        model = method.begin_task(model, &task(id)).expect("a task begins");
        let loss = method.objective(&model, &few, &step_info(id, 0));
        black_box(loss);
        model = method
            .end_task(model, &Vec::<ImageBatch>::new(), &task(id))
            .expect("a task ends");
    }
    let model = method
        .begin_task(model, &task(past))
        .expect("a task begins");
    (method, model)
}

fn step(
    method: &mut dyn Method<VisionTransformer>,
    model: VisionTransformer,
    optimizer: &mut ModuleOptimizer,
    batch: &ImageBatch,
    info: &StepInfo,
) -> VisionTransformer {
    let loss = method.objective(&model, batch, info);
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    let gradients = method.gradients(&model, gradients, info);
    let model = optimizer.step(1e-4, model, gradients);
    method.after_step(model, info)
}

/// Plain fine-tuning of the adapter: every hook is the default.
struct Sequential;

impl Method<VisionTransformer> for Sequential {}

fn training_step(criterion: &mut Criterion) {
    let device = Device::default().autodiff();
    let data = batch(BATCH, &device);
    let mut group = criterion.benchmark_group("training_step");
    group.sample_size(10);

    let attached =
        treelora_lora::attach(model(&device), &lora(), &mut ChaCha8Rng::seed_from_u64(1));
    let mut state = Some(attached.expect("the model has the layers"));
    let mut optimizer: ModuleOptimizer = AdamConfig::new().init();
    group.bench_function(BenchmarkId::new("sequential", 0), |bencher| {
        bencher.iter(|| {
            let model = state.take().expect("the model of the last step");
            state = Some(step(
                &mut Sequential,
                model,
                &mut optimizer,
                &data,
                &step_info(0, 0),
            ));
            device.sync().expect("the device works");
        });
    });
    for past in [1, 10, 1000] {
        let (mut method, model) = after_tasks(past, &device);
        let mut state = Some(model);
        let mut optimizer: ModuleOptimizer = AdamConfig::new().init();
        group.bench_function(BenchmarkId::new("treelora", past), |bencher| {
            bencher.iter(|| {
                let model = state.take().expect("the model of the last step");
                let info = step_info(past, 0);
                state = Some(step(&mut method, model, &mut optimizer, &data, &info));
                device.sync().expect("the device works");
            });
        });
        black_box(state.map(|model| model.num_params()));
    }
    group.finish();
}

criterion_group!(benches, training_step);
criterion_main!(benches);
