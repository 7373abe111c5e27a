//! The tree and the bandits from ten to ten thousand past tasks.
//!
//! Random signatures of 64 features a layer, in which there is nothing to find: the tree is as deep as
//! it gets. A choice is of all layers; its time a layer is the time over the layers.

use std::{
    alloc::System,
    hint::black_box,
    time::{Duration, Instant},
};

use burn::tensor::{Device, Distribution, Tensor};
use cap::Cap;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use treelora_bandit::{ArmTree, CostScale, LayerBandits, Policy};
use treelora_benches::Quantity;
use treelora_kdtree::{GradientTree, TaskSignature, TreeConfig};

/// Counts what is allocated.
#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

const TASKS: [usize; 4] = [10, 100, 1_000, 10_000];
const LAYERS: [usize; 3] = [12, 24, 64];
const FEATURES: usize = 64;

fn sizes() -> impl Iterator<Item = (usize, usize, BenchmarkId)> {
    TASKS.into_iter().flat_map(|tasks| {
        LAYERS.into_iter().map(move |layers| {
            let id = BenchmarkId::new(format!("{layers} layers"), tasks);
            (tasks, layers, id)
        })
    })
}

fn signature(layers: usize) -> TaskSignature {
    let normal = Distribution::Normal(0.0, 1.0);
    TaskSignature::new(Tensor::random(
        [layers, FEATURES],
        normal,
        &Device::default(),
    ))
}

fn tree(tasks: usize, layers: usize) -> GradientTree {
    let signatures = (0..tasks).map(|_| signature(layers)).collect();
    GradientTree::build(&TreeConfig::default(), signatures).expect("signatures of one shape")
}

/// Bandits that have compared with every task twice.
fn bandits(tasks: usize, layers: usize) -> LayerBandits {
    let shrinking = |depth: usize| 0.5f64.powi(depth as i32);
    let arms = ArmTree::balanced(tasks, shrinking).expect("at least one arm");
    let mut bandits = LayerBandits::new(arms, layers, CostScale::Unit);
    for arm in (0..tasks).chain(0..tasks) {
        let costs = vec![cost(arm); layers];
        bandits
            .record(&vec![arm; layers], &costs)
            .expect("costs in [0, 1]");
    }
    bandits
}

/// Another cost for each task, spread over `[0, 1)`.
fn cost(arm: usize) -> f64 {
    (arm as f64 * 0.618_033_988_75).fract()
}

fn build(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tree_scale/build");
    group.sample_size(10);
    for (tasks, layers, id) in sizes() {
        let signatures: Vec<TaskSignature> = (0..tasks).map(|_| signature(layers)).collect();
        group.bench_function(id, |bencher| {
            bencher.iter(|| {
                let tree = GradientTree::build(&TreeConfig::default(), signatures.clone());
                black_box(tree.expect("signatures of one shape"))
            });
        });
    }
    group.finish();
}

fn insert(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tree_scale/insert");
    group.sample_size(10);
    for (tasks, layers, id) in sizes() {
        let tree = tree(tasks, layers);
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|inserts| {
                (0..inserts)
                    .map(|_| {
                        let (mut tree, signature) = (tree.clone(), signature(layers));
                        let start = Instant::now();
                        tree.insert(signature).expect("a signature of its shape");
                        start.elapsed()
                    })
                    .sum::<Duration>()
            });
        });
    }
    group.finish();
}

fn choose(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tree_scale/choose_and_record");
    for (tasks, layers, id) in sizes() {
        let mut bandits = bandits(tasks, layers);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        group.bench_function(id, |bencher| {
            bencher.iter(|| {
                let chosen = bandits.choose(Policy::TreeLcb, &mut rng);
                let costs: Vec<f64> = chosen.iter().map(|&arm| cost(arm)).collect();
                bandits.record(&chosen, &costs).expect("costs in [0, 1]");
            });
        });
    }
    group.finish();
}

/// Bytes of what TreeLoRA keeps of all tasks for choosing among them.
fn memory(criterion: &mut Criterion<Quantity>) {
    let of_tree = |tasks, layers| bytes_of(|| tree(tasks, layers));
    of_size(criterion, "tree_bytes", of_tree);
    let of_bandits = |tasks, layers| bytes_of(|| bandits(tasks, layers));
    of_size(criterion, "bandits_bytes", of_bandits);
}

fn of_size(
    criterion: &mut Criterion<Quantity>,
    name: &str,
    bytes_of: impl Fn(usize, usize) -> usize,
) {
    let mut group = criterion.benchmark_group(format!("tree_scale/{name}"));
    group.sample_size(10);
    for (tasks, layers, id) in sizes() {
        let bytes = bytes_of(tasks, layers) as f64;
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|times| bytes * times as f64);
        });
    }
    group.finish();
}

/// What is allocated for a value as long as it is kept.
fn bytes_of<T>(make: impl FnOnce() -> T) -> usize {
    let before = MEMORY.allocated();
    let kept = make();
    let bytes = MEMORY.allocated().saturating_sub(before);
    drop(kept);
    bytes
}

criterion_group!(times, build, insert, choose);
criterion_group! {
    name = quantities;
    config = Criterion::default().with_measurement(Quantity::BYTES);
    targets = memory
}
criterion_main!(times, quantities);
