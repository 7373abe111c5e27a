//! Properties that each contender must have.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    optim::{AdamConfig, GradientsParams},
    tensor::{Device, Tensor, TensorData},
};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use treelora_baselines::{
    AGem, AGemConfig, BaselineConfig, CONTENDERS, Ewc, EwcConfig, Gem, GemConfig, HideLora,
    HideLoraConfig, Lwf, LwfConfig, OLora, OLoraConfig, Ogd, OgdConfig, TaskIdentityConfig,
    project,
};
use treelora_class_incremental::{
    DiscriminantConfig, HeadAlignment, RegularisedDiscriminantConfig, TransportConfig,
    WithDiscriminant,
};
use treelora_core::{
    Batch, ContinualModel, Error, Exposure, Features, Group, Learner, LearningRates, Method,
    StepInfo, TaskId,
};
use treelora_lora::{AdapterSnapshot, LoraConfig};
use treelora_testing::{
    classifier::TinyClassifier,
    compare::{answers, values},
    open_classifier::Headless,
    points::{CLASSES, DIM, points},
    random::normal_matrix,
    tasks::task,
};

fn lora() -> LoraConfig {
    LoraConfig {
        target_modules: vec!["^layer\\.weight$".into()],
        trainable: vec!["^head\\.".into()],
        ..LoraConfig::new(2, 4.0)
    }
}

fn model() -> TinyClassifier {
    TinyClassifier::new(&Device::default().autodiff())
}

fn step_at(task: usize, epoch: usize) -> StepInfo {
    StepInfo {
        task: TaskId(task),
        epoch,
        epochs: EPOCHS,
        step: 0,
        steps: 1,
    }
}

const EPOCHS: usize = 12;

/// Train on tasks `from..to`, as the run loop does.
fn train(
    method: &mut dyn Method<TinyClassifier>,
    mut model: Learner<TinyClassifier>,
    from: usize,
    to: usize,
) -> Learner<TinyClassifier> {
    for id in from..to {
        model = method.begin_task(model, &Vec::new(), &task(id)).unwrap();
        model = learn(method, model, id);
    }
    model
}

/// The steps of a task that has begun, and its end.
fn learn(
    method: &mut dyn Method<TinyClassifier>,
    mut model: Learner<TinyClassifier>,
    id: usize,
) -> Learner<TinyClassifier> {
    let data = vec![points(
        &task(id).classes,
        12,
        id as u64,
        &Device::default().autodiff(),
    )];
    let mut optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    let groups = model.groups(&treelora_lora::adapter_parameters(&model));
    for epoch in 0..EPOCHS {
        let step = step_at(id, epoch);
        let loss = method.objective(&model, &data[0], &step).unwrap();
        assert!(loss.clone().into_scalar::<f32>().is_finite());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let gradients = method.gradients(&model, gradients, &step).unwrap();
        let base = LearningRates::new(0.05, 0.05);
        let rates = method.learning_rates(base, &step);
        model = model.step(&mut optimizer, gradients, &rates, &groups);
        model = method.after_step(model, &step).unwrap();
    }
    method.end_task(model, &data, &task(id)).unwrap()
}

fn hide(task_identity: TaskIdentityConfig) -> HideLoraConfig {
    HideLoraConfig {
        lora: lora(),
        alignment: HeadAlignment {
            epochs: 20,
            learning_rate: 0.3,
            samples_per_class: 24,
            batch_size: 24,
            ..Default::default()
        },
        task_identity,
        ..Default::default()
    }
}

fn frozen() -> TaskIdentityConfig {
    TaskIdentityConfig::Frozen {
        discriminant: DiscriminantConfig::Lda(Default::default()),
    }
}

/// Every contender with settings for the small model.
fn contenders() -> Vec<BaselineConfig> {
    let json = |text: &str| -> BaselineConfig {
        let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
        value["lora"] = serde_json::to_value(lora()).unwrap();
        serde_json::from_value(value).unwrap()
    };
    let mut contenders = vec![
        json(r#"{ "name": "sequential-lora", "slow_learning": 0.1 }"#),
        json(r#"{ "name": "joint-lora" }"#),
        json(r#"{ "name": "ewc", "fisher_examples": 10 }"#),
        json(r#"{ "name": "gem", "memory_per_task": 6 }"#),
        json(r#"{ "name": "a-gem", "memory_per_task": 6, "memory_batch": 8 }"#),
        json(r#"{ "name": "ogd", "directions_per_task": 5 }"#),
        json(r#"{ "name": "lwf" }"#),
        json(r#"{ "name": "o-lora", "weight_norm": 0.01 }"#),
        BaselineConfig::HideLora(hide(frozen())),
        BaselineConfig::HideLora(hide(TaskIdentityConfig::default())),
    ];
    // A new row is tried with its defaults.
    for row in CONTENDERS {
        if !contenders.iter().any(|config| config.name() == row.name) {
            contenders.push(BaselineConfig::named(row.name).unwrap().with_lora(lora()));
        }
    }
    contenders
}

fn build(config: &BaselineConfig) -> Box<dyn Method<TinyClassifier>> {
    config.build(7).unwrap()
}

#[test]
fn every_contender_answers_each_example_alone() {
    let device = Device::default();
    for config in contenders() {
        let mut method = build(&config);
        let attached = method.attach(model()).unwrap();
        let model = train(method.as_mut(), attached, 0, 3);
        let answering = method.for_evaluation(&model).unwrap();
        let test = points(&[0, 1, 2, 3, 4, 5], 5, 50, &device);
        let whole = answers(method.answer(&answering, &test, None).unwrap().scores);
        let tasks = method.answer(&answering, &test, None).unwrap().tasks;
        let mut order: Vec<usize> = (0..test.len()).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(4));
        for size in [1, 7] {
            for part in order.chunks(size) {
                let batch = test.select(part);
                let expected: Vec<usize> = part.iter().map(|&i| whole[i]).collect();
                assert_eq!(
                    answers(method.answer(&answering, &batch, None).unwrap().scores),
                    expected
                );
                if let Some(tasks) = &tasks {
                    let expected: Vec<TaskId> = part.iter().map(|&i| tasks[i]).collect();
                    assert_eq!(
                        method
                            .answer(&answering, &batch, None)
                            .unwrap()
                            .tasks
                            .unwrap(),
                        expected
                    );
                }
            }
        }
    }
}

/// Stop after two tasks, save, read into a fresh method and model, go on: the same bits.
#[test]
fn a_resumed_contender_continues_with_equal_bits() {
    let device = Device::default().autodiff();
    for config in contenders() {
        let mut method = build(&config);
        let attached = method.attach(model()).unwrap();
        let middle = train(method.as_mut(), attached, 0, 2);
        let dir = tempfile::tempdir().unwrap();
        method.save(dir.path()).unwrap();

        let mut resumed = build(&config);
        let fresh = resumed.attach(model()).unwrap();
        resumed.load(dir.path(), &device).unwrap();
        let fresh = fresh.map(&mut TrainedFrom::of(&middle));
        assert_eq!(
            resumed.stored_bytes(),
            method.stored_bytes(),
            "{}",
            config.name()
        );

        let whole = train(method.as_mut(), middle, 2, 3);
        let resumed_model = train(resumed.as_mut(), fresh, 2, 3);
        let test = points(&[0, 1, 2, 3, 4, 5], 5, 50, &Device::default());
        let scores = |method: &dyn Method<TinyClassifier>, model: &Learner<TinyClassifier>| {
            values(
                method
                    .answer(&method.for_evaluation(model).unwrap(), &test, None)
                    .unwrap()
                    .scores,
            )
        };
        assert_eq!(
            scores(method.as_ref(), &whole),
            scores(resumed.as_ref(), &resumed_model),
            "{}",
            config.name()
        );
    }
}

/// Puts the trained parameters of one learner into another of the same shape, as a checkpoint does.
struct TrainedFrom(VecDeque<TensorData>);

impl TrainedFrom {
    fn of(learner: &Learner<TinyClassifier>) -> Self {
        let mut trained = Self(VecDeque::new());
        learner.visit(&mut trained);
        trained
    }
}

impl ModuleVisitor for TrainedFrom {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            self.0.push_back(param.base().into_data());
        }
    }
}

impl ModuleMapper for TrainedFrom {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !param.is_require_grad() {
            return param;
        }
        let data = self.0.pop_front().unwrap();
        param.map(|old| Tensor::from_data(data, &old.device()).require_grad())
    }
}

#[test]
fn only_adapter_and_head_are_trained() {
    for config in contenders() {
        let mut method = build(&config);
        let before = model();
        let attached = method.attach(before.clone()).unwrap();
        let after = train(method.as_mut(), attached, 0, 2);
        let base = |model: &TinyClassifier| values(model.layer.weight.base());
        assert_eq!(base(&before), base(&after.model), "{}", config.name());
        let moved = values(after.model.head.weight.val()) != values(before.head.weight.val());
        assert!(moved, "{} trains the head", config.name());
    }
    let joint = build(&contenders()[1]);
    assert_eq!(joint.exposure(), Exposure::AllTasks);
}

#[test]
fn slow_learning_slows_the_adapter_after_the_first_task() {
    let method = build(&contenders()[0]);
    let base = LearningRates::new(1.0, 1.0);
    assert_eq!(method.learning_rates(base.clone(), &step_at(0, 3)), base);
    let later = method.learning_rates(base, &step_at(1, 0));
    assert_eq!(
        (later.of(&Group::ADAPTER), later.of(&Group::HEAD)),
        (0.1, 1.0)
    );
}

#[test]
fn the_ewc_penalty_is_zero_at_the_old_weights_and_its_formula_elsewhere() {
    let config = EwcConfig {
        lora: lora(),
        strength: 3.0,
        fisher_examples: 8,
        ..Default::default()
    };
    let mut ewc = Ewc::new(config, 1).unwrap();
    let attached = ewc.attach(model()).unwrap();
    assert!(ewc.penalty(&attached).is_none());
    let old = train(&mut ewc, attached, 0, 1);
    assert_eq!(ewc.penalty(&old).unwrap().into_scalar::<f32>(), 0.0);

    // Move one weight of the head by 0.5: the penalty is F / 2 * 0.25 with F the mean squared
    // gradient of that weight, taken here by another route.
    let device = Device::default().autodiff();
    let data = points(&task(0).classes, 12, 0, &device);
    let mut fisher = 0.0;
    for i in 0..8 {
        let gradients =
            GradientsParams::from_grads(old.model.loss(&data.select(&[i])).backward(), &old);
        fisher += values(gradients.get::<2>(old.model.head.weight.id).unwrap())[1].powi(2) / 8.0;
    }
    assert!(fisher > 0.0);
    let mut moved = old.clone();
    moved.model.head.weight = moved.model.head.weight.map(|weight| {
        let mut weights = values(weight);
        weights[1] += 0.5;
        let shape = [DIM, CLASSES];
        Tensor::<2>::from_data(TensorData::new(weights, shape), &device).require_grad()
    });
    let penalty = ewc.penalty(&moved).unwrap().into_scalar::<f32>();
    let expected = 0.5 * fisher * 0.25;
    assert!(
        (penalty - expected).abs() < 1e-4 * expected,
        "{penalty} against {expected}"
    );
    let with = ewc
        .objective(&moved, &data, &step_at(1, 0))
        .unwrap()
        .into_scalar::<f32>();
    let plain = moved.model.loss(&data).into_scalar::<f32>();
    assert!(
        (with - plain - 3.0 * expected).abs() < 1e-4,
        "{with} {plain} {expected}"
    );
}

#[test]
fn a_strong_ewc_holds_the_weights() {
    let drift = |strength: f64| {
        let config = EwcConfig {
            lora: lora(),
            strength,
            ..Default::default()
        };
        let mut ewc = Ewc::new(config, 1).unwrap();
        let attached = ewc.attach(model()).unwrap();
        let old = train(&mut ewc, attached, 0, 1);
        let device = Device::default();
        let test = points(&task(0).classes, 10, 9, &device);
        let before = old.model.valid().logits(&test).slice([0..20, 0..2]);
        let new = train(&mut ewc, old, 1, 2);
        let after = new.model.valid().logits(&test).slice([0..20, 0..2]);
        (before - after).abs().mean().into_scalar::<f32>()
    };
    let (free, held) = (drift(0.0), drift(1e5));
    assert!(held < 0.75 * free, "{held} against {free}");
}

#[test]
fn a_projected_gradient_harms_no_memory() {
    let mut projected = 0;
    for seed in 0..40 {
        let memories = normal_matrix(1 + seed as usize % 6, 12, seed);
        let gradient = normal_matrix(1, 12, 1000 + seed).squeeze_dim::<1>(0);
        let products =
            |g: &Tensor<1>| values(memories.clone().matmul(g.clone().unsqueeze_dim::<2>(1)));
        let harmless = products(&gradient).iter().all(|p| *p >= 0.0);
        match project(gradient.clone(), memories.clone(), 0.0) {
            None => assert!(harmless),
            Some(new) => {
                projected += 1;
                assert!(!harmless);
                assert!(
                    products(&new).iter().all(|p| *p >= -1e-3),
                    "{:?}",
                    products(&new)
                );
                // The nearest such vector: moving less than to the mean of the memories would.
                let margin = project(gradient.clone(), memories.clone(), 0.5).unwrap();
                let distance = |g: &Tensor<1>| {
                    (g.clone() - gradient.clone())
                        .square()
                        .sum()
                        .into_scalar::<f32>()
                };
                assert!(distance(&new) <= distance(&margin) + 1e-4);
                assert!(products(&margin).iter().all(|p| *p >= -1e-3));
            }
        }
    }
    assert!(projected > 10, "{projected} of 40");
}

/// One memory: the answer is the orthogonal projection, by hand.
#[test]
fn one_memory_is_the_orthogonal_projection() {
    let device = Device::default();
    let gradient = Tensor::<1>::from_floats([1.0, -2.0], &device);
    let memory = Tensor::<2>::from_data([[0.0, 4.0]], &device);
    let projected = values(project(gradient, memory, 0.0).unwrap());
    assert!(
        (projected[0] - 1.0).abs() < 1e-5 && projected[1].abs() < 1e-4,
        "{projected:?}"
    );
}

#[test]
fn gem_projects_the_gradients_of_the_model() {
    let config = GemConfig {
        lora: lora(),
        memory_per_task: 8,
        margin: 0.0,
        memory_batch: 3,
    };
    let mut gem: Gem<TinyClassifier> = Gem::new(config, 1).unwrap();
    let attached = gem.attach(model()).unwrap();
    let model = train(&mut gem, attached, 0, 2);
    // Labels of the past, exchanged: a gradient that must harm.
    let device = Device::default().autodiff();
    let mut harmful = points(&[0, 1], 10, 3, &device);
    harmful.labels = harmful.labels.iter().map(|l| 1 - l).collect();
    let gradients = GradientsParams::from_grads(model.model.loss(&harmful).backward(), &model);
    let memories = gem.memory_gradients(&model).unwrap();
    assert_eq!(memories.dims()[0], 2);
    let flat = |gradients: &GradientsParams| flat(&model.model, gradients);
    let products = |g: Tensor<1>| values(memories.clone().matmul(g.unsqueeze_dim::<2>(1)));
    let size = values(memories.clone().square().sum())[0].sqrt();
    assert!(products(flat(&gradients)).iter().any(|p| *p < -1e-2 * size));
    let projected = gem.gradients(&model, gradients, &step_at(2, 0)).unwrap();
    let after = products(flat(&projected));
    assert!(after.iter().all(|p| *p >= -1e-3 * size), "{after:?}");
    assert_eq!(Method::<TinyClassifier>::log(&gem)[0].1, 1.0);
}

#[test]
fn a_gem_follows_its_formula() {
    let config = AGemConfig {
        lora: lora(),
        memory_per_task: 8,
        memory_batch: 10,
    };
    let mut method: AGem<TinyClassifier> = AGem::new(config, 1).unwrap();
    let attached = method.attach(model()).unwrap();
    let model = train(&mut method, attached, 0, 2);
    let device = Device::default().autodiff();
    let mut batch = points(&[2, 3], 10, 3, &device);
    for harm in [false, true] {
        if harm {
            batch.labels = batch.labels.iter().map(|l| 5 - l).collect();
        }
        let gradients = GradientsParams::from_grads(model.model.loss(&batch).backward(), &model);
        let g = values(flat(&model.model, &gradients));
        let r = values(method.reference(&model, &step_at(2, 0)).unwrap());
        let new = method.gradients(&model, gradients, &step_at(2, 0)).unwrap();
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        let factor = dot(&g, &r).min(0.0) / dot(&r, &r);
        assert!(!harm || factor < 0.0, "{factor}");
        let expected: Vec<f32> = g.iter().zip(&r).map(|(g, r)| g - factor * r).collect();
        let found = values(flat(&model.model, &new));
        assert!(
            found
                .iter()
                .zip(&expected)
                .all(|(f, e)| (f - e).abs() < 1e-5)
        );
        assert!(dot(&found, &r) >= -1e-4 * dot(&r, &r));
    }
}

/// Adapter A, adapter B, head weight, head bias: the order of the toy model.
fn flat(model: &TinyClassifier, gradients: &GradientsParams) -> Tensor<1> {
    let mut parts: Vec<Tensor<1>> = treelora_lora::adapter_parameters(model)
        .into_iter()
        .map(|id| gradients.get::<2>(id).unwrap().flatten(0, 1))
        .collect();
    parts.push(
        gradients
            .get::<2>(model.head.weight.id)
            .unwrap()
            .flatten(0, 1),
    );
    parts.push(
        gradients
            .get::<1>(model.head.bias.as_ref().unwrap().id)
            .unwrap(),
    );
    Tensor::cat(parts, 0)
}

#[test]
fn hide_remembers_every_task() {
    let device = Device::default();
    for identity in [frozen(), TaskIdentityConfig::default()] {
        let mut method: HideLora = HideLora::new(hide(identity), 2).unwrap();
        let attached = method.attach(model()).unwrap();
        let model = train(&mut method, attached, 0, 3);
        let answering = method.for_evaluation(&model).unwrap();
        let test = points(&[0, 1, 2, 3, 4, 5], 10, 50, &device);
        let found = answers(method.answer(&answering, &test, None).unwrap().scores);
        let right = found
            .iter()
            .zip(&test.labels)
            .filter(|(a, l)| a == l)
            .count();
        let tasks = method
            .answer(&answering, &test, None)
            .unwrap()
            .tasks
            .unwrap();
        let right_task = tasks
            .iter()
            .zip(&test.labels)
            .filter(|(t, l)| t.0 == **l / 2)
            .count();
        assert!(
            right >= 36 && right_task >= 40,
            "{right} classes and {right_task} tasks of 60"
        );
        // Told the task, an example is answered by that task's adapter.
        let told = method
            .answer(&answering, &test, Some(TaskId(0)))
            .unwrap()
            .scores;
        let last = method
            .answer(&answering, &test, Some(TaskId(2)))
            .unwrap()
            .scores;
        assert_ne!(values(told), values(last));
    }
}

#[test]
fn hide_with_a_class_in_two_tasks_needs_frozen_identity() {
    let mut again = task(0);
    again.id = TaskId(1);
    let attempt = |identity| {
        let mut method: HideLora = HideLora::new(hide(identity), 2).unwrap();
        let attached = method.attach(model()).unwrap();
        let model = train(&mut method, attached, 0, 1);
        method.begin_task(model, &Vec::new(), &again).map(drop)
    };
    assert!(attempt(frozen()).is_ok());
    let message = attempt(TaskIdentityConfig::default())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("task_identity") && message.contains("frozen"),
        "{message}"
    );
}

/// Sequential and joint training answered by the same kind of head.
#[test]
fn a_discriminant_head_goes_on_any_contender() {
    let device = Device::default();
    let head = DiscriminantConfig::Rda(RegularisedDiscriminantConfig::default());
    let inner = build(&contenders()[0]);
    let transport = Some(TransportConfig::default());
    let mut method = WithDiscriminant::new(inner, &head, transport, CLASSES).unwrap();
    let attached = method.attach(model()).unwrap();
    let model = train(&mut method, attached, 0, 3);
    let test = points(&[0, 1, 2, 3, 4, 5], 10, 50, &device);
    let answering = method.for_evaluation(&model).unwrap();
    let count = |scores: Tensor<2>| {
        answers(scores)
            .iter()
            .zip(&test.labels)
            .filter(|(a, l)| a == l)
            .count()
    };
    let (head, linear) = (
        count(method.answer(&answering, &test, None).unwrap().scores),
        count(answering.model.logits(&test)),
    );
    assert!(
        head >= linear + 10,
        "{head} of 60, {linear} with the linear head"
    );
}

#[test]
fn settings_out_of_range_name_their_key() {
    let rejects = |text: &str, key: &str| {
        let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
        if value.get("lora").is_none() {
            value["lora"] = serde_json::to_value(lora()).unwrap();
        }
        let config: BaselineConfig = serde_json::from_value(value).unwrap();
        let error = config.validate().unwrap_err();
        assert!(
            matches!(&error, Error::Setting { key: named, .. } if named == key),
            "{error}"
        );
    };
    rejects(r#"{ "name": "ewc", "strength": -1.0 }"#, "strength");
    rejects(
        r#"{ "name": "gem", "memory_per_task": 0 }"#,
        "memory_per_task",
    );
    rejects(r#"{ "name": "hide-lora", "momentum": 1.0 }"#, "momentum");
    rejects(
        r#"{ "name": "hide-lora", "statistics": { "kind": "centroids", "centroids": 0 } }"#,
        "statistics.centroids",
    );
    rejects(
        r#"{ "name": "joint-lora", "lora": { "rank": 0, "target_modules": ["layer"] } }"#,
        "lora.rank",
    );
    rejects(
        r#"{ "name": "hide-lora", "task_identity": { "kind": "shared-lora", "learning_rate": 0.0 } }"#,
        "task_identity.learning_rate",
    );
    rejects(
        r#"{ "name": "hide-lora", "task_identity": { "kind": "frozen", "discriminant": { "kind": "lda", "shrinkage": 2.0 } } }"#,
        "task_identity.discriminant.shrinkage",
    );
    for text in [
        r#"{ "name": "ewc", "strenght": 1.0 }"#,
        r#"{ "name": "hide-lora", "task_identity": { "kind": "shared-lora", "rate": 1.0 } }"#,
        r#"{ "name": "sequential" }"#,
    ] {
        assert!(
            serde_json::from_str::<BaselineConfig>(text).is_err(),
            "{text}"
        );
    }
}

#[test]
fn a_lora_pattern_that_matches_nothing_is_an_error() {
    let config = BaselineConfig::SequentialLora(Default::default());
    let error = build(&config).attach(model()).unwrap_err().to_string();
    assert!(error.contains("`lora.target_modules`"), "{error}");
}

#[test]
fn o_lora_keeps_a_new_adapter_out_of_the_space_of_the_earlier_ones() {
    let overlaps = |orthogonality: f64| {
        let config = OLoraConfig {
            lora: lora(),
            orthogonality,
            weight_norm: 0.0,
        };
        let mut method = OLora::new(config, 5).unwrap();
        let attached = method.attach(model()).unwrap();
        let first = train(&mut method, attached, 0, 1);
        assert!(method.overlap(&first.model).is_none());
        let second = method.begin_task(first, &Vec::new(), &task(1)).unwrap();
        let before = values(method.overlap(&second.model).unwrap())[0];
        let second = learn(&mut method, second, 1);
        assert_eq!(Method::<TinyClassifier>::log(&method)[0].0, "overlap");
        (before, values(method.overlap(&second.model).unwrap())[0])
    };
    let ((before, with), (same, without)) = (overlaps(1.0), overlaps(0.0));
    assert_eq!(before, same, "the first task has no term");
    assert!(before > 0.01, "{before}");
    assert!(
        with < 0.5 * before && with < 0.5 * without,
        "{before}; {with} with the term, {without} without"
    );
}

/// By hand: the entries of `A_earlier^T A`, and the model answers with the sum of all adapters.
#[test]
fn o_lora_answers_with_the_sum_of_its_adapters() {
    let config = OLoraConfig {
        lora: lora(),
        ..Default::default()
    };
    let mut method = OLora::new(config, 5).unwrap();
    let attached = method.attach(model()).unwrap();
    let mut model = attached;
    let (mut sum, mut earlier): (Option<Tensor<2>>, Vec<Tensor<2>>) = (None, Vec::new());
    for id in 0..3 {
        model = train(&mut method, model, id, id + 1);
        let current = AdapterSnapshot::of_adapter(&model.model, 0);
        let layer = &current.layers()[0];
        if !earlier.is_empty() {
            let products = Tensor::cat(earlier.clone(), 1)
                .transpose()
                .matmul(layer.a.clone());
            let expected = values(products.abs().sum())[0];
            let found = values(method.overlap(&model.model).unwrap())[0];
            assert!(
                (expected - found).abs() < 1e-4 * expected,
                "{expected} {found}"
            );
        }
        let update = layer.a.clone().matmul(layer.b.clone()) * layer.scale;
        sum = Some(match sum {
            Some(sum) => sum + update,
            None => update,
        });
        earlier.push(layer.a.clone());
        // Two earlier adapters of rank 2 on 6 x 6, and one scale.
        let bytes = Method::<TinyClassifier>::stored_bytes(&method);
        assert_eq!(bytes, if id == 0 { 0 } else { id * 2 * 12 * 4 + 8 });
    }
    let test = points(&[0, 1, 2, 3, 4, 5], 5, 50, &Device::default());
    let plain = self::model().valid();
    let weight = plain.layer.weight.val() + sum.unwrap();
    let features = (test.inputs.clone().matmul(weight)).tanh();
    let expected = values(model.model.valid().head.forward(features));
    let answering = method.for_evaluation(&model).unwrap();
    let found = values(method.answer(&answering, &test, None).unwrap().scores);
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-4, "{found} {expected}");
    }
}

#[test]
fn ogd_moves_outside_the_span_of_its_orthonormal_basis() {
    let config = OgdConfig {
        lora: lora(),
        directions_per_task: 4,
    };
    let mut method = Ogd::new(config, 1).unwrap();
    let attached = method.attach(model()).unwrap();
    let model = train(&mut method, attached, 0, 2);
    let basis = method.basis().unwrap().clone();
    let [directions, parameters] = basis.dims();
    assert!((2..=8).contains(&directions), "{directions}");
    let gram = values(basis.clone().matmul(basis.clone().transpose()));
    for (place, value) in gram.iter().enumerate() {
        let expected = f32::from(u8::from(place % (directions + 1) == 0));
        assert!((value - expected).abs() < 1e-4, "{value} at {place}");
    }
    let bytes = Method::<TinyClassifier>::stored_bytes(&method);
    assert_eq!(bytes, directions * parameters * 4);

    let batch = points(&[0, 1], 10, 3, &Device::default().autodiff());
    let gradients = GradientsParams::from_grads(model.model.loss(&batch).backward(), &model);
    let before = flat(&model.model, &gradients);
    let size = values(before.clone().square().sum())[0].sqrt();
    let shares = |g: &Tensor<1>| values(basis.clone().matmul(g.clone().unsqueeze_dim::<2>(1)));
    assert!(shares(&before).iter().any(|s| s.abs() > 1e-2 * size));
    let after = flat(
        &model.model,
        &method.gradients(&model, gradients, &step_at(2, 0)).unwrap(),
    );
    assert!(shares(&after).iter().all(|s| s.abs() < 1e-4 * size));
    // Nothing but the span is taken away.
    let taken = before - after;
    let inside = values(
        taken
            .clone()
            .unsqueeze::<2>()
            .matmul(basis.clone().transpose())
            .matmul(basis),
    );
    for (taken, inside) in values(taken).iter().zip(&inside) {
        assert!((taken - inside).abs() < 1e-4 * size);
    }
}

#[test]
fn lwf_distils_the_old_answers_about_old_classes() {
    let config = LwfConfig {
        lora: lora(),
        ..Default::default()
    };
    let mut method: Lwf<TinyClassifier> = Lwf::new(config, 1).unwrap();
    let attached = method.attach(model()).unwrap();
    let batch = points(&[2, 3], 8, 3, &Device::default().autodiff());
    let old = train(&mut method, attached, 0, 1);
    assert!(method.distillation(&old, &batch).is_none());
    let old = method.begin_task(old, &Vec::new(), &task(1)).unwrap();
    let same = values(method.distillation(&old, &batch).unwrap())[0];
    assert!(same.abs() < 1e-6, "{same}");
    // Another head: T^2 KL over classes 0 and 1, by hand.
    let mut new = old.clone();
    new.model.head.weight = new
        .model
        .head
        .weight
        .map(|w| (w.inner() * 0.5).autodiff().require_grad());
    let found = values(method.distillation(&new, &batch).unwrap())[0];
    let softened = |model: &TinyClassifier| -> Vec<[f64; 2]> {
        let scores = values(model.valid().logits(&batch));
        let softmax = |row: &[f32]| {
            let [a, b] = [row[0], row[1]].map(|x| (f64::from(x) / 2.0).exp());
            [a / (a + b), b / (a + b)]
        };
        scores.chunks(CLASSES).map(softmax).collect()
    };
    let pairs: Vec<([f64; 2], [f64; 2])> = softened(&old.model)
        .into_iter()
        .zip(softened(&new.model))
        .collect();
    let divergence: f64 = pairs
        .iter()
        .map(|(p, q)| p[0] * (p[0] / q[0]).ln() + p[1] * (p[1] / q[1]).ln())
        .sum();
    let expected = 4.0 * divergence / pairs.len() as f64;
    assert!(
        (f64::from(found) - expected).abs() < 1e-4 * (1.0 + expected),
        "{found} {expected}"
    );
    assert!(expected > 1e-3, "{expected}");
}

/// HiDe-LoRA as text has it.
fn headless_hide() -> BaselineConfig {
    BaselineConfig::HideLora(HideLoraConfig {
        contrast: 0.0,
        ..hide(frozen())
    })
}

#[test]
fn hide_lora_without_a_head_answers_each_example_with_its_tasks_adapter() {
    let device = Device::default().autodiff();
    let config = headless_hide().with_lora(LoraConfig {
        target_modules: vec!["layer\\.weight$".into()],
        trainable: Vec::new(),
        ..lora()
    });
    let build = || config.build_headless::<Headless>(7).unwrap();
    let mut method = build();
    let mut model = method.attach(Headless { inner: model() }).unwrap();
    for id in 0..2 {
        let task = task(id);
        model = method.begin_task(model, &Vec::new(), &task).unwrap();
        let data = vec![points(&[2 * id, 2 * id + 1], 20, id as u64, &device)];
        let mut optimizer = AdamConfig::new().init();
        for epoch in 0..4 {
            let step = step_at(id, epoch);
            let loss = method.objective(&model, &data[0], &step).unwrap();
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer.step(0.05, model, gradients);
        }
        model = method.end_task(model, &data, &task).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    method.save(dir.path()).unwrap();
    let mut loaded = build();
    loaded.load(dir.path(), &device).unwrap();
    assert_eq!(loaded.stored_bytes(), method.stored_bytes());

    let test = points(&[2, 0, 3, 1], 5, 9, &Device::default());
    let expected: Vec<TaskId> = test.labels.iter().map(|label| TaskId(label / 2)).collect();
    for method in [method, loaded] {
        let answering = method.for_evaluation(&model).unwrap();
        let frozen = || answering.model.frozen_features(&test);
        assert_eq!(method.infer_tasks(&frozen), Some(expected.clone()));
        let answer = method.answer(&answering, &test, None).unwrap();
        assert_eq!(answer.tasks.as_ref(), Some(&expected));
        let [first, second] = [0, 1].map(|task| {
            let told = method.answer(&answering, &test, Some(TaskId(task)));
            values(told.unwrap().scores)
        });
        assert_ne!(first, second, "adapters that differ");
        let width = first.len() / expected.len();
        for (row, scores) in values(answer.scores).chunks(width).enumerate() {
            let of_task = [&first, &second][expected[row].0];
            assert_eq!(scores, &of_task[row * width..][..width], "row {row}");
        }
    }
}

#[test]
fn every_contender_trains_a_model_without_a_head() {
    let device = Device::default().autodiff();
    for config in contenders().into_iter().chain([headless_hide()]) {
        let config = config.with_lora(LoraConfig {
            target_modules: vec!["layer\\.weight$".into()],
            trainable: Vec::new(),
            ..lora()
        });
        let built = config.build_headless::<Headless>(7);
        // What compares classes has none to compare.
        if let BaselineConfig::HideLora(hide) = &config
            && hide.contrast != 0.0
        {
            let key = match hide.task_identity {
                TaskIdentityConfig::SharedLora(_) => "`task_identity.kind`",
                TaskIdentityConfig::Frozen { .. } => "`contrast`",
            };
            let error = built.err().unwrap().to_string();
            assert!(error.contains(key), "{error}");
            continue;
        }
        let mut method = built.unwrap();
        let plain = Headless { inner: model() };
        let mut model = method.attach(plain.clone()).unwrap();
        for id in 0..2 {
            let task = treelora_core::Task {
                classes: Vec::new(),
                ..task(id)
            };
            model = method.begin_task(model, &Vec::new(), &task).unwrap();
            let data = vec![points(&[2 * id, 2 * id + 1], 6, id as u64, &device)];
            let mut optimizer = AdamConfig::new().init();
            for epoch in 0..2 {
                let step = step_at(id, epoch);
                let loss = method.objective(&model, &data[0], &step).unwrap();
                let gradients = GradientsParams::from_grads(loss.backward(), &model);
                let gradients = method.gradients(&model, gradients, &step).unwrap();
                model = optimizer.step(0.05, model, gradients);
                model = method.after_step(model, &step).unwrap();
            }
            model = method.end_task(model, &data, &task).unwrap();
        }
        let test = points(&[0, 1, 2, 3], 3, 9, &Device::default());
        let scores = values(
            method
                .answer(&method.for_evaluation(&model).unwrap(), &test, None)
                .unwrap()
                .scores,
        );
        let before = values(plain.valid().logits(&test));
        assert_ne!(scores, before, "{}", config.name());
        let head = |model: &Headless| values(model.inner.head.weight.val());
        assert_eq!(head(&model.model), head(&plain), "{}", config.name());
    }
}
