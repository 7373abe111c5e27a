//! What would be missed if the method did nothing: that it pulls, chooses, restarts and merges, each against what it
//! is without.
#![allow(clippy::unwrap_used)]

use burn::{
    optim::{GradientsParams, SgdConfig},
    tensor::{Device, Tensor},
};
use treelora::{Choice, Factor, Initialisation, Mode, TreeLora, TreeLoraConfig};
use treelora_core::{
    ContinualModel, Group, Learner, LearningRates, Method, Seeds, StepInfo, Task, TaskId,
};
use treelora_lora::{AdapterLayer, AdapterSnapshot, LoraConfig, attach};
use treelora_testing::{
    compare::{assert_same, values},
    random::{rng, uniform_matrix},
    regression::{Pairs, TwoLayers, pairs},
    snapshots::{assert_same_snapshot, random_snapshot},
};

const SEED: u64 = 5;
const RATE: f64 = 0.3;
const STEPS: usize = 6;

fn device() -> Device {
    Device::default().autodiff()
}

fn config(mode: Mode) -> TreeLoraConfig {
    TreeLoraConfig {
        lora: LoraConfig {
            target_modules: vec!["weight".into()],
            ..LoraConfig::new(2, 4.0)
        },
        max_depth: Some(2),
        slow_learning: 1.0,
        initialisation: Initialisation::Previous,
        ..TreeLoraConfig::preset(mode)
    }
}

fn task(id: usize) -> Task {
    Task {
        id: TaskId(id),
        name: format!("task {id}"),
        classes: Vec::new(),
    }
}

/// Step `number` of `steps` in one epoch.
fn step(task: &Task, number: usize, steps: usize) -> StepInfo {
    StepInfo {
        task: task.id,
        epoch: 0,
        epochs: 1,
        step: number,
        steps,
    }
}

fn attached(method: &mut TreeLora) -> Learner<TwoLayers> {
    method.attach(TwoLayers::new(&device())).unwrap()
}

// ---- lambda ---------------------------------------------------------------------------------------

/// The adapter after three tasks of the method.
fn learned(config: TreeLoraConfig) -> AdapterSnapshot {
    learned_until(3, config)
}

fn learned_until(tasks: usize, config: TreeLoraConfig) -> AdapterSnapshot {
    let mut method = TreeLora::new(config, SEED).unwrap();
    let mut learner = attached(&mut method);
    for id in 0..tasks {
        let task = task(id);
        let batch = pairs(id, 12, &device());
        learner = method.begin_task(learner, &Vec::new(), &task).unwrap();
        let mut optimizer = SgdConfig::new().init();
        for number in 0..STEPS {
            let step = step(&task, number, STEPS);
            let loss = method.objective(&learner, &batch, &step).unwrap();
            let gradients = GradientsParams::from_grads(loss.backward(), &learner);
            let gradients = method.gradients(&learner, gradients, &step).unwrap();
            let base = LearningRates::new(RATE, RATE);
            let rates = Method::<TwoLayers>::learning_rates(&method, base, &step);
            learner = optimizer.step(rates.of(&Group::ADAPTER), learner, gradients);
            learner = method.after_step(learner, &step).unwrap();
        }
        learner = method.end_task(learner, &vec![batch], &task).unwrap();
    }
    AdapterSnapshot::of(&learner.model)
}

/// Sequential LoRA: one adapter of the same seed, trained on the same batches in the same order.
fn sequential() -> AdapterSnapshot {
    let lora = config(Mode::TreeLora).lora;
    let mut seed = Seeds::new(SEED).initialisation();
    let mut model = attach(TwoLayers::new(&device()), &lora, &mut seed).unwrap();
    for id in 0..3 {
        let batch = pairs(id, 12, &device());
        let mut optimizer = SgdConfig::new().init();
        for _ in 0..STEPS {
            let gradients = GradientsParams::from_grads(model.loss(&batch).backward(), &model);
            model = optimizer.step(RATE, model, gradients);
        }
    }
    AdapterSnapshot::of(&model)
}

fn largest_difference(left: &AdapterSnapshot, right: &AdapterSnapshot) -> f32 {
    let flat = |snapshot: &AdapterSnapshot| -> Vec<f32> {
        let layers = snapshot.layers().iter();
        layers
            .flat_map(|layer| [values(layer.a.clone()), values(layer.b.clone())].concat())
            .collect()
    };
    let (left, right) = (flat(left), flat(right));
    let pairs = left.iter().zip(&right);
    pairs.fold(0.0, |largest, (l, r)| largest.max((l - r).abs()))
}

#[test]
fn without_weight_the_method_is_sequential_lora_to_the_bit() {
    let plain = sequential();
    for mode in [Mode::Paper, Mode::Reference, Mode::TreeLora] {
        let weightless = TreeLoraConfig {
            lambda: 0.0,
            ..config(mode)
        };
        assert_same_snapshot(&learned(weightless), &plain);
        let weighted = learned(TreeLoraConfig {
            lambda: 0.5,
            ..config(mode)
        });
        let moved = largest_difference(&weighted, &plain);
        assert!(moved > 1e-3, "{mode:?}: {moved}");
    }
}

// ---- a factor that stays --------------------------------------------------------------------------

#[test]
fn a_frozen_factor_stays_as_the_first_task_left_it() {
    let factors = |snapshot: &AdapterSnapshot| -> [Vec<f32>; 2] {
        let of = |factor: fn(&AdapterLayer) -> Tensor<2>| {
            let layers = snapshot.layers().iter();
            layers.flat_map(|layer| values(factor(layer))).collect()
        };
        [of(|layer| layer.a.clone()), of(|layer| layer.b.clone())]
    };
    for mode in [Mode::Paper, Mode::Reference, Mode::TreeLora] {
        for (stays, frozen) in [(0, Factor::A), (1, Factor::B)] {
            let config = TreeLoraConfig {
                frozen_factor: Some(frozen),
                ..config(mode)
            };
            let first = factors(&learned_until(1, config.clone()));
            let third = factors(&learned_until(3, config));
            assert_eq!(first[stays], third[stays], "{mode:?} {frozen:?}");
            assert_ne!(first[1 - stays], third[1 - stays], "{mode:?} {frozen:?}");
        }
        let [first, third] = [1, 3].map(|tasks| factors(&learned_until(tasks, config(mode))));
        assert!(first[0] != third[0] && first[1] != third[1], "{mode:?}");
    }
}

// ---- planted signatures ---------------------------------------------------------------------------

/// An adapter of the model with `a` as the A of each layer, and a random B.
fn planted(learner: &Learner<TwoLayers>, a: &[Tensor<2>], seed: u64) -> AdapterSnapshot {
    let random = random_snapshot(&AdapterSnapshot::of(&learner.model), seed);
    let layers = random
        .layers()
        .iter()
        .zip(a)
        .map(|(layer, a)| AdapterLayer {
            a: a.clone(),
            ..layer.clone()
        });
    AdapterSnapshot::from_layers(layers.collect())
}

/// `[4, 2]`: the values of one of two opposite clusters, with a little of its own.
fn near(cluster: usize, seed: u64) -> Tensor<2> {
    let centre = uniform_matrix([4, 2], &mut rng(77), &Device::default());
    let own = uniform_matrix([4, 2], &mut rng(seed), &Device::default());
    let sign = [1.0, -1.0][cluster];
    centre * sign + own * 0.05
}

/// A task whose adapter is `adapter` all the time, which makes its A the signature.
fn learn_planted(
    method: &mut TreeLora,
    learner: Learner<TwoLayers>,
    id: usize,
    adapter: &AdapterSnapshot,
) -> Learner<TwoLayers> {
    let (task, batch) = (task(id), batch());
    let learner = method.begin_task(learner, &Vec::new(), &task).unwrap();
    let learner = learner.try_map_model(|model| adapter.apply(model)).unwrap();
    for number in 0..2 {
        method
            .objective(&learner, &batch, &step(&task, number, 100))
            .unwrap();
    }
    method.end_task(learner, &vec![batch], &task).unwrap()
}

fn batch() -> Pairs {
    pairs(0, 4, &device())
}

/// Share of the choices of the second half of a task, over layers and steps, that are members of `cluster`, when the new
/// task's own A is of that cluster and the past tasks are of either in turn.
fn share_of_members(choice: Choice, cluster: usize) -> f64 {
    const PAST: usize = 6;
    const ROUNDS: usize = 600;
    let config = TreeLoraConfig {
        choice,
        ..config(Mode::TreeLora)
    };
    let mut method = TreeLora::new(config, SEED).unwrap();
    let mut learner = attached(&mut method);
    for id in 0..PAST {
        let seed = 10 * id as u64;
        let a = [near(id % 2, 100 + seed), near(id % 2, 101 + seed)];
        let adapter = planted(&learner, &a, seed);
        learner = learn_planted(&mut method, learner, id, &adapter);
    }
    let (new, batch) = (task(PAST), batch());
    let mut learner = method.begin_task(learner, &Vec::new(), &new).unwrap();
    let own = planted(&learner, &[near(cluster, 901), near(cluster, 902)], 9);
    learner = learner.try_map_model(|model| own.apply(model)).unwrap();
    let (mut members, mut all) = (0, 0);
    for number in 0..ROUNDS {
        let step = step(&new, number, ROUNDS);
        method.objective(&learner, &batch, &step).unwrap();
        learner = method.after_step(learner, &step).unwrap();
        if number >= ROUNDS / 2 {
            all += method.chosen().len();
            let chosen = method.chosen().iter();
            members += chosen.filter(|&&slot| slot % 2 == cluster).count();
        }
    }
    members as f64 / all as f64
}

#[test]
fn bounds_settle_on_the_planted_relatives() {
    for choice in [Choice::TreeLcb, Choice::FlatLcb] {
        for cluster in [0, 1] {
            let share = share_of_members(choice, cluster);
            assert!(share > 0.85, "{choice:?}, cluster {cluster}: {share}");
        }
    }
    // Half of the past tasks are members: this is chance.
    let chance = share_of_members(Choice::Uniform, 1);
    assert!((0.4..0.6).contains(&chance), "{chance}");
}

#[test]
fn a_restart_lands_on_the_relatives_of_each_layer() {
    const PROBE: usize = 40;
    let config = TreeLoraConfig {
        initialisation: Initialisation::Relatives,
        probe_steps: PROBE,
        ..config(Mode::TreeLora)
    };
    let mut method = TreeLora::new(config, SEED).unwrap();
    let mut learner = attached(&mut method);
    // Three unrelated tasks.
    let a = |id: usize, layer: usize| {
        let seed = 1000 + 10 * id + layer;
        uniform_matrix([4, 2], &mut rng(seed as u64), &Device::default())
    };
    let mut adapters = Vec::new();
    for id in 0..3 {
        let adapter = planted(&learner, &[a(id, 0), a(id, 1)], id as u64);
        learner = learn_planted(&mut method, learner, id, &adapter);
        adapters.push(adapter);
    }
    // The first layer of the fourth is close to task 2's, the second to task 0's.
    let (new, batch) = (task(3), batch());
    let mut learner = method.begin_task(learner, &Vec::new(), &new).unwrap();
    let own = planted(&learner, &[a(2, 0) * 1.01, a(0, 1) * 0.99], 50);
    learner = learner.try_map_model(|model| own.apply(model)).unwrap();
    for number in 0..PROBE {
        assert_same_snapshot(&AdapterSnapshot::of(&learner.model), &own);
        let step = step(&new, number, 2 * PROBE);
        method.objective(&learner, &batch, &step).unwrap();
        learner = method.after_step(learner, &step).unwrap();
    }
    let layers = [&adapters[2].layers()[0], &adapters[0].layers()[1]];
    let composed = AdapterSnapshot::from_layers(layers.map(Clone::clone).to_vec());
    assert_same_snapshot(&AdapterSnapshot::of(&learner.model), &composed);
    // And once only.
    let step = step(&new, PROBE, 2 * PROBE);
    let own = own.apply(learner.model).unwrap();
    method
        .objective(&Learner::of(own.clone()), &batch, &step)
        .unwrap();
    let after = method.after_step(Learner::of(own.clone()), &step).unwrap();
    assert_same_snapshot(
        &AdapterSnapshot::of(&after.model),
        &AdapterSnapshot::of(&own),
    );
}

#[test]
fn a_restart_after_the_last_step_is_an_error() {
    let config = TreeLoraConfig {
        initialisation: Initialisation::Relatives,
        probe_steps: 5,
        ..config(Mode::TreeLora)
    };
    let mut method = TreeLora::new(config, SEED).unwrap();
    let mut learner = attached(&mut method);
    let batch = batch();
    // The first task has no relatives to restart from.
    method
        .objective(&learner, &batch, &step(&task(0), 0, 4))
        .unwrap();
    let adapter = AdapterSnapshot::of(&learner.model);
    learner = learn_planted(&mut method, learner, 0, &adapter);
    let new = task(1);
    learner = method.begin_task(learner, &Vec::new(), &new).unwrap();
    let error = method
        .objective(&learner, &batch, &step(&new, 0, 4))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("probe_steps") && error.contains('5') && error.contains("has 4"),
        "{error}"
    );
    method
        .objective(&learner, &batch, &step(&new, 0, 5))
        .unwrap();
}

#[test]
fn a_budget_merges_the_updates_of_the_closest_pair() {
    // Which cluster each task is of; the pair of the same is merged.
    for (clusters, slots) in [
        ([0, 1, 0], [vec![0, 2], vec![1]]),
        ([1, 0, 0], [vec![0], vec![1, 2]]),
        ([0, 0, 1], [vec![0, 1], vec![2]]),
    ] {
        let config = TreeLoraConfig {
            storage_budget: Some(2),
            ..config(Mode::TreeLora)
        };
        let mut method = TreeLora::new(config, SEED).unwrap();
        let mut learner = attached(&mut method);
        let mut adapters = Vec::new();
        for (id, cluster) in clusters.into_iter().enumerate() {
            let seed = 10 * id as u64;
            let a = [near(cluster, 200 + seed), near(cluster, 201 + seed)];
            let adapter = planted(&learner, &a, seed);
            learner = learn_planted(&mut method, learner, id, &adapter);
            adapters.push(adapter);
        }
        let tasks = |slot: &Vec<usize>| slot.iter().copied().map(TaskId).collect::<Vec<_>>();
        let expected: Vec<Vec<TaskId>> = slots.iter().map(tasks).collect();
        assert_eq!(method.adapters().slots(), expected);
        for slot in &slots {
            let found = method.adapters().get(TaskId(slot[0])).unwrap();
            for (layer, found) in found.layers().iter().enumerate() {
                match slot.as_slice() {
                    [alone] => {
                        let kept = &adapters[*alone].layers()[layer];
                        assert_same(found.a.clone(), kept.a.clone());
                        assert_same(found.b.clone(), kept.b.clone());
                    }
                    merged => {
                        let of = |id: usize| adapters[merged[id]].layers()[layer].clone();
                        let update = |l: &AdapterLayer| l.a.clone().matmul(l.b.clone()) * l.scale;
                        let mean = (update(&of(0)) + update(&of(1))) * 0.5;
                        let away = |from: Tensor<2>| {
                            let apart = mean.clone() - from;
                            (apart.clone() * apart).sum().into_scalar::<f32>()
                        };
                        // What the two do on average, as well as their rank allows: better than factors' means.
                        assert_eq!(found.a.dims(), of(0).a.dims());
                        let factors = |x: Tensor<2>, y: Tensor<2>| (x + y) * 0.5;
                        let b = factors(of(0).b, of(1).b) * of(0).scale;
                        let by_factors = away(factors(of(0).a, of(1).a).matmul(b));
                        let merged = away(update(found));
                        assert!(merged < 0.99 * by_factors, "{merged} {by_factors}");
                        let one = away(update(&of(0)));
                        assert!(merged < one, "{merged} {one}");
                    }
                }
            }
        }
    }
}
