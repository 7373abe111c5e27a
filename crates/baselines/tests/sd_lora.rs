//! What the card of SD-LoRA says must hold.
#![allow(clippy::unwrap_used)]

use burn::{
    module::Module,
    optim::{AdamConfig, GradientsParams},
    tensor::{Device, Tensor},
};
use treelora_baselines::{SdLora, SdLoraConfig};
use treelora_core::{ContinualModel, Learner, LearningRates, Method, StepInfo, TaskId};
use treelora_lora::{
    AdapterLayer, AdapterSnapshot, LoraConfig, Selection, adapters_at, attach_bank, detach,
};
use treelora_testing::{
    classifier::TinyClassifier,
    compare::values,
    points::{Points, points},
    tasks::task,
};

fn lora() -> LoraConfig {
    LoraConfig {
        target_modules: vec!["^layer\\.weight$".into()],
        trainable: vec!["^head\\.".into()],
        ..LoraConfig::new(2, 4.0)
    }
}

fn method() -> SdLora {
    let config = SdLoraConfig {
        lora: lora(),
        ..SdLoraConfig::default()
    };
    SdLora::new(config, 3).unwrap()
}

fn data(id: usize) -> Points {
    points(
        &task(id).classes,
        12,
        id as u64,
        &Device::default().autodiff(),
    )
}

fn step(id: usize) -> StepInfo {
    StepInfo {
        task: TaskId(id),
        epoch: 0,
        epochs: 1,
        step: 0,
        steps: 1,
    }
}

fn learn(
    method: &mut SdLora,
    learner: Learner<TinyClassifier>,
    id: usize,
) -> Learner<TinyClassifier> {
    let mut learner = method.begin_task(learner, &Vec::new(), &task(id)).unwrap();
    let batch = data(id);
    let groups = learner.groups(&treelora_lora::adapter_parameters(&learner));
    let mut optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    for _ in 0..15 {
        let loss = method.objective(&learner, &batch, &step(id)).unwrap();
        let gradients = GradientsParams::from_grads(loss.backward(), &learner);
        let rates = LearningRates::new(0.05, 0.05);
        learner = learner.step(&mut optimizer, gradients, &rates, &groups);
    }
    method.end_task(learner, &vec![batch], &task(id)).unwrap()
}

fn learned(tasks: usize) -> (SdLora, Learner<TinyClassifier>) {
    let mut method = method();
    let model = TinyClassifier::new(&Device::default().autodiff());
    let mut learner = method.attach(model).unwrap();
    for id in 0..tasks {
        learner = learn(&mut method, learner, id);
    }
    (method, learner)
}

#[test]
fn in_the_first_task_it_is_an_adapter_of_that_scale() {
    let mut method = method();
    let model = TinyClassifier::new(&Device::default().autodiff());
    let learner = method.attach(model).unwrap();
    let learner = method.begin_task(learner, &Vec::new(), &task(0)).unwrap();
    // B is 0 at the start: any other value shows the scale.
    let adapter = AdapterSnapshot::of(&learner.model);
    let layers = adapter.layers().iter().map(|layer| AdapterLayer {
        b: layer.b.clone() + 0.3,
        ..layer.clone()
    });
    let adapter = AdapterSnapshot::from_layers(layers.collect());
    let learner = learner.try_map_model(|model| adapter.apply(model)).unwrap();
    let scaled = adapter.layers().iter().map(|layer| AdapterLayer {
        scale: layer.scale * 0.8,
        ..layer.clone()
    });
    let scaled = AdapterSnapshot::from_layers(scaled.collect());
    let plain = TinyClassifier::new(&Device::default());
    let plain = attach_bank(plain, &[scaled], Selection::One(0)).unwrap();
    let batch = points(&task(0).classes, 5, 9, &Device::default());
    let gated = method.gated(&learner).unwrap().valid();
    for (found, expected) in values(gated.logits(&batch))
        .iter()
        .zip(values(plain.logits(&batch)))
    {
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
}

#[test]
fn gradients_reach_every_magnitude_and_no_earlier_direction() {
    let (mut method, learner) = learned(2);
    let learner = method.begin_task(learner, &Vec::new(), &task(2)).unwrap();
    let loss = method.objective(&learner, &data(2), &step(2)).unwrap();
    let gradients = loss.backward();
    let magnitudes = learner.vector("magnitudes").unwrap();
    assert_eq!(magnitudes.dims(), [3]);
    let of_magnitudes = values(magnitudes.grad(&gradients).unwrap());
    // The current B is 0, so that its own magnitude has no slope yet.
    assert_eq!(of_magnitudes[0], 0.0);
    assert!(
        of_magnitudes[1] != 0.0 && of_magnitudes[2] != 0.0,
        "{of_magnitudes:?}"
    );
    for earlier in [1, 2] {
        for (path, adapter) in adapters_at(&learner.model, earlier) {
            assert!(adapter.a.val().grad(&gradients).is_none(), "{path}");
            assert!(adapter.b.val().grad(&gradients).is_none(), "{path}");
        }
    }
    for (path, adapter) in adapters_at(&learner.model, 0) {
        assert!(adapter.b.val().grad(&gradients).is_some(), "{path}");
    }
}

/// A direction has norm 1 (times the scale), however its factors share it.
#[test]
fn earlier_adapters_count_by_their_direction_alone() {
    let (_, learner) = learned(1);
    let directions = |factor: f64| {
        let adapter = AdapterSnapshot::of(&learner.model);
        let layers = adapter.layers().iter().map(|layer| AdapterLayer {
            a: layer.a.clone() * factor,
            b: layer.b.clone() / factor,
            ..layer.clone()
        });
        let scaled = AdapterSnapshot::from_layers(layers.collect());
        let mut fresh = method();
        let model = TinyClassifier::new(&Device::default().autodiff());
        let begun = fresh.attach(model).unwrap();
        let begun = fresh.begin_task(begun, &Vec::new(), &task(0)).unwrap();
        let begun = begun.try_map_model(|model| scaled.apply(model)).unwrap();
        let ended = fresh.end_task(begun, &vec![data(0)], &task(0)).unwrap();
        let next = fresh.begin_task(ended, &Vec::new(), &task(1)).unwrap();
        let (_, adapter) = adapters_at(&next.model, 1).remove(0);
        adapter.a.val().matmul(adapter.b.val()).inner() * adapter.scale
    };
    let (one, other) = (directions(1.0), directions(4.0));
    for (one, other) in values(one.clone()).iter().zip(values(other)) {
        assert!((one - other).abs() < 1e-5, "{one} {other}");
    }
    let norm = |matrix: Tensor<2>| values(matrix.square().sum())[0].sqrt();
    // |A B| is at most |A| |B|; the scale is alpha / rank = 2.
    let norm = norm(one);
    assert!(norm > 0.5 && norm <= 2.0 + 1e-4, "{norm}");
}

/// What answers is one model, and one adapter of all ranks gives the same: it can be exported.
#[test]
fn the_sum_is_one_adapter_of_the_ranks_together() {
    let (method, learner) = learned(3);
    let answering = method.for_evaluation(&learner).unwrap();
    let whole = AdapterSnapshot::of_selection(&answering.model).unwrap();
    assert_eq!(whole.layers()[0].a.dims()[1], 6);
    let plain = detach(answering.model.clone());
    let single = attach_bank(plain.clone(), &[whole], Selection::One(0)).unwrap();
    let batch = points(&[0, 1, 2, 3, 4, 5], 5, 9, &Device::default());
    let [sum, single, plain] =
        [&answering.model, &single, &plain].map(|model| values(model.logits(&batch)));
    for (sum, single) in sum.iter().zip(&single) {
        assert!((sum - single).abs() < 1e-4, "{sum} {single}");
    }
    assert_ne!(sum, plain);
}
