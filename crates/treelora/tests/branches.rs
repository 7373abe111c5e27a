//! Tasks find the branch of their domain, and only what is asked of it changes.
#![allow(clippy::unwrap_used)]

use burn::{
    module::Module,
    optim::{AdamConfig, GradientsParams, ModuleOptimizer},
    tensor::Device,
};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use treelora::branches::{BranchChoice, BranchLora, BranchLoraConfig, BranchStart, Placement};
use treelora_class_incremental::{
    DiscriminantConfig, DiscriminantPerAdapter, FeatureRows, RegularisedDiscriminantConfig,
    TransportConfig, leave_one_out_error,
};
use treelora_core::{
    Error, Features, Group, Learner, LearningRates, Method, StepInfo, Task, TaskId,
};
use treelora_lora::{AdapterSnapshot, LoraConfig};
use treelora_testing::{
    classifier::TinyClassifier,
    compare::{answers, values},
    points::{CLASSES, Points, points},
};

/// Domain and classes of the tasks: two domains take turns.
const TURNS: [(usize, [usize; 2]); 6] = [
    (0, [0, 1]),
    (1, [0, 1]),
    (0, [2, 3]),
    (1, [4, 5]),
    (0, [4, 5]),
    (1, [2, 3]),
];

fn config(choice: BranchChoice) -> BranchLoraConfig {
    BranchLoraConfig {
        lora: LoraConfig {
            target_modules: vec![r"^layer\.weight$".into()],
            trainable: vec![r"^head\.".into()],
            ..LoraConfig::new(2, 4.0)
        },
        choice,
        ..BranchLoraConfig::default()
    }
}

/// The points of a domain: upside down in the second.
fn data(domain: usize, classes: &[usize], seed: u64) -> Points {
    let mut points = points(classes, 16, seed, &Device::default().autodiff());
    if domain == 1 {
        points.inputs = -points.inputs + 1.0;
    }
    points
}

fn task_of(id: usize) -> Task {
    Task {
        id: TaskId(id),
        name: format!("task {id}"),
        classes: TURNS[id].1.to_vec(),
    }
}

fn begin(
    method: &mut dyn Method<TinyClassifier>,
    learner: Learner<TinyClassifier>,
    id: usize,
) -> Learner<TinyClassifier> {
    let batch = data(TURNS[id].0, &TURNS[id].1, id as u64);
    method
        .begin_task(learner, &vec![batch], &task_of(id))
        .unwrap()
}

fn learn(
    method: &mut dyn Method<TinyClassifier>,
    learner: Learner<TinyClassifier>,
    id: usize,
) -> Learner<TinyClassifier> {
    let mut learner = begin(method, learner, id);
    let batch = data(TURNS[id].0, &TURNS[id].1, id as u64);
    let mut optimizer: ModuleOptimizer = AdamConfig::new().init();
    for number in 0..10 {
        let step = StepInfo {
            task: TaskId(id),
            epoch: 0,
            epochs: 1,
            step: number,
            steps: 10,
        };
        let loss = method.objective(&learner, &batch, &step).unwrap();
        let gradients = GradientsParams::from_grads(loss.backward(), &learner);
        let rates = method.learning_rates(LearningRates::new(0.005, 0.005), &step);
        learner = optimizer.step(rates.of(&Group::ADAPTER), learner, gradients);
    }
    method
        .end_task(learner, &vec![batch], &task_of(id))
        .unwrap()
}

fn model() -> TinyClassifier {
    TinyClassifier::new(&Device::default().autodiff())
}

fn branches_of(choice: BranchChoice) -> Vec<usize> {
    let mut method = BranchLora::new(config(choice), 3).unwrap();
    let mut learner = method.attach(model()).unwrap();
    for id in 0..TURNS.len() {
        learner = learn(&mut method, learner, id);
    }
    method.branches().branch_of().to_vec()
}

#[test]
fn a_domain_that_comes_back_finds_its_branch() {
    let domains = TURNS.map(|(domain, _)| domain);
    assert_eq!(branches_of(BranchChoice::Tree), domains);
    assert_eq!(branches_of(BranchChoice::Exhaustive), domains);
    assert_eq!(branches_of(BranchChoice::One), [0; 6]);
    assert_eq!(branches_of(BranchChoice::Each), [0, 1, 2, 3, 4, 5]);
    // The second domain is new; after that, the last branch goes on.
    assert_eq!(branches_of(BranchChoice::Last), [0, 1, 1, 1, 1, 1]);
    let random = branches_of(BranchChoice::Random);
    assert_eq!(random[..2], [0, 1]);
    assert!(random.iter().all(|branch| *branch < 2), "{random:?}");
}

#[test]
fn a_branch_goes_on_where_it_was_and_slowly() {
    let mut method = BranchLora::new(config(BranchChoice::Tree), 3).unwrap();
    let mut learner = method.attach(model()).unwrap();
    let base = LearningRates::new(0.05, 0.5);
    let step = |id| StepInfo {
        task: TaskId(id),
        epoch: 0,
        epochs: 1,
        step: 0,
        steps: 1,
    };
    let rate = |method: &BranchLora, id| {
        let rates = Method::<TinyClassifier>::learning_rates(method, base.clone(), &step(id));
        (rates.of(&Group::ADAPTER), rates.of(&Group::HEAD))
    };
    let factors = |learner: &Learner<TinyClassifier>| {
        let snapshot = AdapterSnapshot::of(&learner.model);
        let layer = &snapshot.layers()[0];
        (values(layer.a.clone()), values(layer.b.clone()))
    };
    learner = learn(&mut method, learner, 0);
    let first = factors(&learner);
    learner = begin(&mut method, learner, 1);
    let fresh = factors(&learner);
    assert!(fresh.1.iter().all(|b| *b == 0.0), "a new branch is fresh");
    assert_ne!(fresh.0, first.0);
    assert_eq!(rate(&method, 1), (0.05, 0.5));
    learner = learn(&mut method, learner, 1);
    assert_ne!(factors(&learner), first);
    learner = begin(&mut method, learner, 2);
    assert_eq!(factors(&learner), first);
    assert_eq!(rate(&method, 2), (0.05 * 0.1, 0.5));
}

#[test]
fn a_new_branch_starts_where_it_is_told() {
    let starts = |start| {
        let config = BranchLoraConfig {
            start,
            ..config(BranchChoice::Each)
        };
        let mut method = BranchLora::new(config, 3).unwrap();
        let mut learner = method.attach(model()).unwrap();
        for id in 0..2 {
            learner = learn(&mut method, learner, id);
        }
        let begun = begin(&mut method, learner.clone(), 2);
        (factor_b(&begun), factor_b(&learner))
    };
    let (fresh, last) = starts(BranchStart::Fresh);
    assert!(fresh.iter().all(|b| *b == 0.0) && last.iter().any(|b| *b != 0.0));
    let (begun, last) = starts(BranchStart::Last);
    assert_eq!(begun, last);

    // Turned into branches by a tolerance that nothing meets, task 2 is nearest to task 0, of its domain.
    let config = BranchLoraConfig {
        start: BranchStart::Nearest,
        tolerance: 1e-9,
        ..config(BranchChoice::Tree)
    };
    let mut method = BranchLora::new(config, 3).unwrap();
    let attached = method.attach(model()).unwrap();
    let first = learn(&mut method, attached, 0);
    let second = learn(&mut method, first.clone(), 1);
    let third = begin(&mut method, second, 2);
    assert_eq!(factor_b(&third), factor_b(&first));
}

fn start_of(method: &BranchLora) -> Option<usize> {
    let (name, value) = Method::<TinyClassifier>::diagnostics(method).remove(0);
    assert_eq!(name, "branch");
    let placement: Placement = serde_json::from_value(value).unwrap();
    placement.start
}

#[test]
fn a_probe_starts_from_the_adapter_that_tells_the_classes_apart_best() {
    // Which adapter an analytic head does best on, tried from outside.
    let tried =
        |adapters: &[AdapterSnapshot], learner: &Learner<TinyClassifier>, batch: &Points| {
            let cost = |model: &TinyClassifier| {
                let mut rows = FeatureRows::new();
                rows.push(model.features(batch), &batch.labels);
                leave_one_out_error(&rows)
            };
            let model = learner.model.valid();
            let costs = adapters
                .iter()
                .map(|adapter| cost(&adapter.apply(model.clone()).unwrap()));
            let costs: Vec<f64> = costs.collect();
            let best = (0..costs.len()).min_by(|a, b| costs[*a].total_cmp(&costs[*b]));
            let frozen = cost(&treelora_lora::detach(model));
            best.filter(|best| costs[*best] < frozen)
        };
    let mut starts = Vec::new();
    for start in [BranchStart::ProbeAll, BranchStart::Probe] {
        let config = BranchLoraConfig {
            start,
            probe_examples: 1000,
            ..config(BranchChoice::Each)
        };
        let mut method = BranchLora::new(config, 3).unwrap();
        let mut learner = method.attach(model()).unwrap();
        let (mut adapters, mut found) = (Vec::new(), Vec::new());
        for (id, (domain, classes)) in TURNS.iter().enumerate() {
            let batch = data(*domain, classes, id as u64);
            let expected = tried(&adapters, &learner, &batch);
            learner = learn(&mut method, learner, id);
            adapters.push(AdapterSnapshot::of(&learner.model));
            if id > 0 {
                assert_eq!(start_of(&method), expected, "{start:?} of task {id}");
            }
            found.push(start_of(&method));
        }
        assert!(found.iter().flatten().count() > 1, "{found:?}");
        starts.push(found);
    }
    // Few adapters are all tried, with the tree or without.
    assert_eq!(starts[0], starts[1]);
}

fn factor_b(learner: &Learner<TinyClassifier>) -> Vec<f32> {
    let snapshot = AdapterSnapshot::of(&learner.model);
    values(snapshot.layers()[0].b.clone())
}

fn routed() -> Box<dyn Method<TinyClassifier>> {
    let rda = DiscriminantConfig::Rda(RegularisedDiscriminantConfig::default());
    let inner = Box::new(BranchLora::new(config(BranchChoice::Tree), 3).unwrap());
    let transport = Some(TransportConfig::default());
    Box::new(DiscriminantPerAdapter::new(inner, &rda, &rda, transport, CLASSES).unwrap())
}

fn test_points() -> (Points, Vec<TaskId>) {
    let (mut parts, mut tasks) = (Vec::new(), Vec::new());
    for (id, (domain, classes)) in TURNS.iter().enumerate() {
        let part = data(*domain, classes, 100 + id as u64);
        tasks.extend(vec![TaskId(id); part.labels.len()]);
        parts.push(part);
    }
    let mut all = <Points as treelora_core::Batch>::concat(parts);
    all.inputs = all.inputs.inner();
    (all, tasks)
}

#[test]
fn each_example_is_answered_by_the_branch_of_its_domain() {
    use treelora_core::Batch;
    let mut method = routed();
    let mut learner = method.attach(model()).unwrap();
    for id in 0..TURNS.len() {
        learner = learn(method.as_mut(), learner, id);
    }
    let adapters: Vec<TaskId> = (0..6).map(|id| method.adapter_of(TaskId(id))).collect();
    assert_eq!(adapters, [0, 1, 0, 1, 0, 1].map(TaskId));

    let answering = method.for_evaluation(&learner).unwrap();
    let (test, tasks) = test_points();
    let answer = method.answer(&answering, &test, None).unwrap();
    let inferred = answer.tasks.unwrap();
    let routed_right = inferred.iter().zip(&tasks);
    let routed_right =
        routed_right.filter(|(adapter, task)| **adapter == method.adapter_of(**task));
    let count = test.labels.len();
    assert!(routed_right.count() * 10 > 9 * count);
    let whole = answers(answer.scores);
    let right = whole
        .iter()
        .zip(&test.labels)
        .filter(|(a, l)| a == l)
        .count();
    assert!(right * 10 > 8 * count, "{right} of {count}");

    // Told another branch, the same points are answered otherwise.
    let told = |task| {
        values(
            method
                .answer(&answering, &test, Some(TaskId(task)))
                .unwrap()
                .scores,
        )
    };
    assert_eq!(told(0), told(2));
    assert_ne!(told(0), told(1));

    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(4));
    for size in [1, 7] {
        for part in order.chunks(size) {
            let found = method.answer(&answering, &test.select(part), None).unwrap();
            let expected: Vec<usize> = part.iter().map(|&i| whole[i]).collect();
            assert_eq!(answers(found.scores), expected);
        }
    }
}

#[test]
fn what_was_saved_goes_on_with_equal_bits() {
    let mut method = routed();
    let mut learner = method.attach(model()).unwrap();
    for id in 0..3 {
        learner = learn(method.as_mut(), learner, id);
    }
    let dir = tempfile::tempdir().unwrap();
    method.save(dir.path()).unwrap();
    let mut read = routed();
    let _: Learner<TinyClassifier> = read.attach(model()).unwrap();
    read.load(dir.path(), &Device::default()).unwrap();
    assert_eq!(read.stored_bytes(), method.stored_bytes());
    let (test, _) = test_points();
    let on = |method: &mut dyn Method<TinyClassifier>| {
        let mut learner = learner.clone();
        for id in 3..5 {
            learner = learn(method, learner, id);
        }
        let answering = method.for_evaluation(&learner).unwrap();
        values(method.answer(&answering, &test, None).unwrap().scores)
    };
    assert_eq!(on(read.as_mut()), on(method.as_mut()));
}

#[test]
fn settings_out_of_range_name_their_key() {
    type Spoil = fn(&mut BranchLoraConfig);
    let cases: [(&str, Spoil); 5] = [
        ("neighbours", |c| c.neighbours = 0),
        ("probe_examples", |c| c.probe_examples = 0),
        ("tolerance", |c| c.tolerance = f64::NAN),
        ("slow_learning", |c| c.slow_learning = -0.1),
        ("lora", |c| c.lora.rank = 0),
    ];
    for (key, spoil) in cases {
        let mut config = config(BranchChoice::Tree);
        spoil(&mut config);
        let error = BranchLora::new(config, 0).unwrap_err();
        assert!(
            matches!(&error, Error::Setting { key: named, .. } if named.starts_with(key)),
            "{error}"
        );
    }
}

#[test]
fn features_that_are_no_numbers_are_an_error() {
    let mut method = BranchLora::new(config(BranchChoice::Tree), 3).unwrap();
    let mut learner = method.attach(model()).unwrap();
    learner = learn(&mut method, learner, 0);
    let mut batch = data(0, &[2, 3], 1);
    batch.inputs = batch.inputs * f32::NAN;
    let error = method.begin_task(learner.clone(), &vec![batch], &task_of(2));
    assert!(error.unwrap_err().to_string().contains("finite"));
    let frozen = learner.valid();
    assert!(
        Method::<TinyClassifier>::end_task(
            &mut BranchLora::new(config(BranchChoice::Tree), 3).unwrap(),
            frozen,
            &Vec::new(),
            &task_of(0)
        )
        .is_err()
    );
}
