//! What TreeLoRA adds to a training step, and what the number of past tasks adds to TreeLoRA.
//!
//! ViT-Ti/16 at 224 pixels with random weights (speed does not depend on them), rank 8 on the query
//! and value projections of the last six blocks, cached prefix, batch 32. The past tasks have random
//! signatures, which make a tree as deep as the layers allow.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use burn::{
    optim::{AdamConfig, GradientsParams, ModuleOptimizer},
    tensor::{Device, Distribution, Tensor},
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use treelora::{
    Mode, TreeLora, TreeLoraConfig,
    bandit::Policy,
    lora::{Granularity, LayerVectors, LoraConfig},
};
use treelora_benches::{Quantity, Turns};
use treelora_core::{Error, Learner, Method, StepInfo, Task, TaskId};
use treelora_models::vit::{ImageBatch, ImageInput, VisionTransformer, VitConfig};

const BATCH: usize = 32;
const TOKENS: usize = 197;
const FEW: usize = 10;
const MANY: usize = 1000;

fn lora() -> LoraConfig {
    LoraConfig {
        target_modules: vec![r"^blocks\.(6|7|8|9|10|11)\.attention\.(q|v)\.weight$".into()],
        trainable: vec!["^head\\.".into()],
        ..LoraConfig::new(8, 8.0)
    }
}

fn batch(size: usize, tokens: usize, device: &Device) -> ImageBatch {
    let tokens = Tensor::random([size, tokens, 192], Distribution::Normal(0.0, 1.0), device);
    ImageBatch::new(
        ImageInput::Hidden { block: 6, tokens },
        (0..size).map(|i| i % 10).collect(),
    )
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

/// A method in the middle of a task.
struct Training<M> {
    method: M,
    learner: Option<Learner<VisionTransformer>>,
    optimizer: ModuleOptimizer,
    task: TaskId,
    device: Device,
}

impl<M: Method<VisionTransformer>> Training<M> {
    fn new(mut method: M, device: &Device) -> Self {
        let attached = method.attach(model(device));
        Self {
            method,
            learner: Some(attached.expect("the model has the layers")),
            optimizer: AdamConfig::new().init(),
            task: TaskId(0),
            device: device.clone(),
        }
    }

    /// One step as the run loop does it, and the time it takes until the device is idle.
    fn step(&mut self, batch: &ImageBatch) -> Duration {
        let info = StepInfo {
            task: self.task,
            epoch: 0,
            epochs: 1,
            step: 0,
            steps: 1000,
        };
        let learner = self.learner.take().expect("the learner of the last step");
        let start = Instant::now();
        let take = || -> Result<Learner<VisionTransformer>, Error> {
            let loss = self.method.objective(&learner, batch, &info)?;
            let gradients = GradientsParams::from_grads(loss.backward(), &learner);
            let gradients = self.method.gradients(&learner, gradients, &info)?;
            let learner = self.optimizer.step(1e-4, learner, gradients);
            self.method.after_step(learner, &info)
        };
        self.learner = Some(take().expect("a step"));
        self.device.sync().expect("the device works");
        start.elapsed()
    }
}

/// TreeLoRA in the task after `past` others, of one small step each from adapters of their own.
fn after_tasks(past: usize, mode: Mode, device: &Device) -> Training<TreeLora> {
    let config = TreeLoraConfig {
        lora: lora(),
        ..TreeLoraConfig::preset(mode)
    };
    let method = TreeLora::new(config, 0).expect("the preset is valid");
    let mut training = Training::new(method, device);
    let plain = device.clone().without_autodiff();
    for id in 0..past {
        let learner = training
            .learner
            .take()
            .expect("the learner of the last task");
        let vectors = LayerVectors::factor_a(&learner.model, Granularity::Matrix).expect("adapted");
        let random = Tensor::random(vectors.dims(), Distribution::Normal(0.0, 1.0), &plain);
        let learner = learner.map_model(|model| vectors.write_factors(random, model));
        let begun = training.method.begin_task(learner, &Vec::new(), &task(id));
        training.learner = Some(begun.expect("a task begins"));
        training.task = TaskId(id);
        training.step(&batch(1, 2, device));
        let learner = training
            .learner
            .take()
            .expect("the learner of the last step");
        let ended = training
            .method
            .end_task(learner, &Vec::<ImageBatch>::new(), &task(id));
        training.learner = Some(ended.expect("a task ends"));
    }
    let learner = training
        .learner
        .take()
        .expect("the learner of the last task");
    let begun = training
        .method
        .begin_task(learner, &Vec::new(), &task(past));
    training.learner = Some(begun.expect("a task begins"));
    training.task = TaskId(past);
    training
}

/// Plain fine-tuning of the adapter: every hook but attaching is the default.
struct Sequential;

impl Method<VisionTransformer> for Sequential {
    fn attach(&mut self, model: VisionTransformer) -> Result<Learner<VisionTransformer>, Error> {
        let rng = &mut ChaCha8Rng::seed_from_u64(1);
        let model = treelora_lora::attach(model, &lora(), rng);
        model
            .map(Learner::of)
            .map_err(|e| Error::Data(e.to_string()))
    }
}

/// Seconds of a step, for orientation: between two of them the machine may change its speed.
fn training_step(criterion: &mut Criterion) {
    let device = Device::default().autodiff();
    let data = batch(BATCH, TOKENS, &device);
    let mut group = criterion.benchmark_group("training_step");
    group.sample_size(10);
    let mut sequential = Training::new(Sequential, &device);
    group.bench_function("sequential", |bencher| {
        bencher.iter_custom(|steps| (0..steps).map(|_| sequential.step(&data)).sum());
    });
    let mut treelora = after_tasks(FEW, Mode::TreeLora, &device);
    group.bench_function(BenchmarkId::new("treelora", FEW), |bencher| {
        bencher.iter_custom(|steps| (0..steps).map(|_| treelora.step(&data)).sum());
    });
    group.finish();
}

/// A step of TreeLoRA over a step of sequential LoRA, in turns.
fn training_step_ratio(criterion: &mut Criterion<Quantity>) {
    let device = Device::default().autodiff();
    let data = batch(BATCH, TOKENS, &device);
    let mut group = criterion.benchmark_group("training_step_ratio");
    group.sample_size(20);
    let mut sequential = Training::new(Sequential, &device);
    for (mode, past) in [
        (Mode::TreeLora, FEW),
        (Mode::TreeLora, MANY),
        (Mode::Paper, FEW),
    ] {
        let mut treelora = after_tasks(past, mode, &device);
        let mut turns = Turns::default();
        let name = format!("{mode:?}").to_lowercase();
        group.bench_function(BenchmarkId::new(name, past), |bencher| {
            bencher.iter_custom(|rounds| {
                turns.quotients(rounds, || treelora.step(&data), || sequential.step(&data))
            });
        });
    }
    group.finish();
}

/// What of a step depends on the number of past tasks: to choose one per layer, gather their rows and
/// record the costs.
fn choice(criterion: &mut Criterion) {
    let device = Device::default().autodiff();
    let mut group = criterion.benchmark_group("choice");
    for past in [FEW, MANY] {
        let training = after_tasks(past, Mode::TreeLora, &device);
        let relatives = training.method.relatives();
        let tree = relatives.tree().expect("past tasks");
        let mut bandits = relatives.bandits().expect("a task has begun").clone();
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        group.bench_function(BenchmarkId::from_parameter(past), |bencher| {
            bencher.iter(|| {
                let chosen = bandits.choose(Policy::TreeLcb, &mut rng);
                black_box(tree.chosen(&chosen));
                let costs: Vec<f64> = chosen.iter().map(|arm| cost(*arm)).collect();
                bandits.record(&chosen, &costs).expect("costs in [0, 1]");
                device.sync().expect("the device works");
            });
        });
    }
    group.finish();
}

/// Another cost for each past task, spread over `[0, 1)`.
fn cost(arm: usize) -> f64 {
    (arm as f64 * 0.618_033_988_75).fract()
}

criterion_group!(times, training_step, choice);
criterion_group! {
    name = ratios;
    config = Criterion::default().with_measurement(Quantity::RATIO);
    targets = training_step_ratio
}
criterion_main!(times, ratios);
