//! Whole experiments on a tiny model and generated pictures, in seconds.
#![allow(clippy::unwrap_used)]

mod files;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use burn::tensor::{DType, Device, FloatDType, TensorData};
use treelora_cl_bench::{
    metrics::{Cell, TaskScore},
    sha256,
};
use treelora_core::{TensorFile, read_json, write_json};
use treelora_experiment::{
    Error, Event, Experiment, ExperimentConfig, FORMAT, ImageExperimentConfig, PretrainingFile,
    Reconfigured, RunFolder, RunSummary, TaskId,
};

const CONFIG: &str = r#"
name = "tiny"

[data]
name = "procedural"
classes = 10
train_per_class = 8
test_per_class = 4
image_size = 16

[stream]
tasks = 3
class_order = { given = [4, 5, 6, 7, 8, 9] }

[model]
preset = "tiny"
image_size = 16
patch_size = 8
width = 16
depth = 2
heads = 2

[pretraining]
classes = [0, 1, 2, 3]
epochs = 1
batch_size = 16
learning_rate = 1e-3
weight_decay = 0.01

[training]
epochs = 2
batch_size = 8
learning_rate = 1e-2
head_learning_rate = 1e-2
seed = 3

[method]
name = "tree-lora"

[method.lora]
rank = 2
alpha = 4.0
target_modules = ['attention\.(q|v)\.weight$']

[classifier]
discriminant = { kind = "rda" }
transport = { kind = "linear" }

[floors]
lda = { kind = "lda" }

[variants.paper]
method = { name = "tree-lora", mode = "paper", max_depth = 2, lora = { rank = 2, alpha = 4.0, target_modules = ['attention\.(q|v)\.weight$'] } }

[variants.reference]
method = { name = "tree-lora", mode = "reference", lora = { rank = 2, alpha = 4.0, target_modules = ['attention\.(q|v)\.weight$'] } }

[variants.sparse]
method = { name = "tree-lora", sparsity = 1e-3, initialisation = "relatives", probe_steps = 1, storage_budget = 2, lora = { rank = 2, alpha = 4.0, target_modules = ['attention\.(q|v)\.weight$'] } }

[variants.sequential-lora]
classifier = false
method = { name = "sequential-lora", lora = { rank = 2, alpha = 4.0, target_modules = ['attention\.(q|v)\.weight$'] } }

[variants.joint-lora]
classifier = false
method = { name = "joint-lora", lora = { rank = 2, alpha = 4.0, target_modules = ['attention\.(q|v)\.weight$'] } }

[variants.ewc]
classifier = false
method = { name = "ewc", lora = { rank = 2, alpha = 4.0, target_modules = ['attention\.(q|v)\.weight$'] } }

[variants.gem]
classifier = false
method = { name = "gem", lora = { rank = 2, alpha = 4.0, target_modules = ['attention\.(q|v)\.weight$'] } }

[variants.a-gem]
classifier = false
method = { name = "a-gem", lora = { rank = 2, alpha = 4.0, target_modules = ['attention\.(q|v)\.weight$'] } }

[variants.ogd]
classifier = false
method = { name = "ogd", lora = { rank = 2, alpha = 4.0, target_modules = ['attention\.(q|v)\.weight$'] } }

[variants.lwf]
classifier = false
method = { name = "lwf", lora = { rank = 2, alpha = 4.0, target_modules = ['attention\.(q|v)\.weight$'] } }

[variants.o-lora]
classifier = false
method = { name = "o-lora", lora = { rank = 2, alpha = 4.0, target_modules = ['attention\.(q|v)\.weight$'] } }

[variants.plain]
classifier = false

[variants.aligned]
classifier = { alignment = { head = { epochs = 3 }, transport = { kind = "linear" } } }

[variants.routed]
inference = "routed"
routing = { kind = "nearest-class-mean" }
classifier = { alignment = { head = { epochs = 3 } } }

[variants.oracle]
inference = "oracle"
classifier = { discriminant = { kind = "lda" } }

[variants.branches]
classifier = { discriminant = { kind = "rda" }, transport = { kind = "linear" }, router = { kind = "lda" } }
method = { name = "branch-lora", lora = { rank = 2, alpha = 4.0, target_modules = ['attention\.(q|v)\.weight$'] } }

[variants.probed]
classifier = { discriminant = { kind = "rda" }, router = { kind = "lda" } }
method = { name = "branch-lora", choice = "each", start = "probe", lora = { rank = 2, alpha = 4.0, target_modules = ['attention\.(q|v)\.weight$'] } }

[variants.hide-lora]
classifier = false
method = { name = "hide-lora", lora = { rank = 2, alpha = 4.0, target_modules = ['attention\.(q|v)\.weight$'] } }
"#;

const VARIANTS: [&str; 17] = [
    "paper",
    "reference",
    "sparse",
    "sequential-lora",
    "joint-lora",
    "ewc",
    "gem",
    "a-gem",
    "ogd",
    "lwf",
    "o-lora",
    "aligned",
    "routed",
    "oracle",
    "branches",
    "probed",
    "hide-lora",
];

/// Settings laid over a configuration: dotted keys with their values.
type Changes<'a> = &'a [(&'a str, &'a str)];

fn config(variant: Option<&str>, changes: Changes<'_>) -> ImageExperimentConfig {
    try_config(variant, changes).unwrap()
}

fn try_config(
    variant: Option<&str>,
    changes: &[(&str, &str)],
) -> Result<ImageExperimentConfig, treelora_experiment::Error> {
    let changes: Vec<(String, String)> = changes
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    ImageExperimentConfig::parse(CONFIG, Path::new("tiny.toml"), variant, &changes)
}

fn try_prepare(config: ImageExperimentConfig) -> Result<Box<dyn Experiment>, Error> {
    ExperimentConfig::Images(Box::new(config)).prepare(&Device::default(), &mut |_| {})
}

fn prepare(config: ImageExperimentConfig) -> Box<dyn Experiment> {
    try_prepare(config).unwrap()
}

/// The same inputs with other settings.
///
/// # Panics
/// When the settings need other inputs.
fn with_config(
    experiment: Box<dyn Experiment>,
    config: ImageExperimentConfig,
) -> Box<dyn Experiment> {
    let config = ExperimentConfig::Images(Box::new(config));
    match experiment.reconfigured(config).unwrap() {
        Reconfigured::Ready(experiment) => experiment,
        Reconfigured::NeedsOtherInputs(_) => panic!("the configuration needs other inputs"),
    }
}

fn run(experiment: &dyn Experiment, path: &Path) -> RunSummary {
    let toml = experiment.config_toml().unwrap();
    let folder = RunFolder::create(path, &toml, &experiment.manifest()).unwrap();
    experiment.run(&folder, &mut |_| {}).unwrap()
}

#[test]
fn every_method_fills_its_matrix_and_names_its_metrics() {
    let dir = tempfile::tempdir().unwrap();
    let mut experiment = prepare(config(None, &[]));
    let default = run(experiment.as_ref(), &dir.path().join("default"));
    assert!(default.floors.contains_key("lda"));
    assert!(default.cost.stored_bytes > 0);
    for variant in VARIANTS {
        experiment = with_config(experiment, config(Some(variant), &[]));
        let summary = run(experiment.as_ref(), &dir.path().join(variant));
        let last = default.matrix.tasks() - 1;
        assert_eq!(summary.matrix.tasks(), last + 1, "{variant}");
        let score = |after, on| summary.matrix.score(after, on);
        assert!((0..=last).all(|on| score(last, on).is_some()), "{variant}");
        match variant {
            // One stage over all tasks: only the last row is there.
            "joint-lora" => assert_eq!(score(0, 0), None),
            // One answer to everything is right at half of the first two classes; among six, more is forgotten than
            // learned in two epochs.
            _ => {
                let (first, later) = (score(0, 0).unwrap(), score(last, 0).unwrap());
                assert!(first > 0.5 && later < first, "{variant}: {first}, {later}");
            }
        }
        assert!(summary.metrics["acc_last"].value.is_some(), "{variant}");
        // Adapters of four matrices at least, and the head over six classes.
        assert!(
            summary.cost.trainable_parameters >= 4 * 2 * (16 + 16) + 6 * 17,
            "{variant}"
        );
        assert_eq!(summary.method, variant);
    }
}

/// Two tasks of a class each, 40 pictures in all: chance is 1/2, give or take 0.08.
#[test]
fn joint_training_is_above_chance() {
    let dir = tempfile::tempdir().unwrap();
    let changes = [
        ("data.train_per_class", "64"),
        ("data.test_per_class", "20"),
        ("data.noise", "0.0"),
        ("stream.tasks", "2"),
        ("stream.class_order", "{ given = [4, 9] }"),
        ("training.epochs", "12"),
    ];
    let experiment = prepare(config(Some("joint-lora"), &changes));
    let summary = run(experiment.as_ref(), &dir.path().join("run"));
    let [first, second] = [0, 1].map(|on| summary.matrix.score(1, on).unwrap());
    let accuracy = (first + second) / 2.0;
    assert!(accuracy > 0.7, "{first} {second}");
    let named = summary.metrics["acc_last"].value.unwrap();
    assert!((named - accuracy).abs() < 1e-12, "{named} {accuracy}");
}

#[test]
fn experiments_that_share_their_inputs_equal_those_prepared_anew() {
    let dir = tempfile::tempdir().unwrap();
    let finished = |experiment: &dyn Experiment, name: &str| {
        let path = dir.path().join(name);
        let toml = experiment.config_toml().unwrap();
        let folder = RunFolder::create(&path, &toml, &experiment.manifest()).unwrap();
        assert!(folder.summary().unwrap().is_none());
        let summary = experiment.run(&folder, &mut |_| {}).unwrap();
        let kept = folder.summary().unwrap().unwrap();
        assert_eq!(kept.matrix, summary.matrix);
        let adapter = fs::read(path.join("tasks/02/adapter.safetensors")).unwrap();
        (summary.matrix, adapter)
    };
    let wrapped =
        |variant, changes: &[_]| ExperimentConfig::Images(Box::new(config(Some(variant), changes)));
    // Another method; another first block; another seed, and with it another pre-training.
    let cases: [(&str, Changes<'_>, bool); 3] = [
        ("paper", &[], true),
        (
            "sequential-lora",
            &[(
                "method.lora.target_modules",
                "['1\\.attention\\.q\\.weight$']",
            )],
            false,
        ),
        ("paper", &[("training.seed", "4")], false),
    ];
    for (case, (variant, changes, shared)) in cases.into_iter().enumerate() {
        let first = prepare(config(Some("hide-lora"), &[]));
        finished(first.as_ref(), &format!("first-{case}"));
        let mut prefixes = 0;
        let device = Device::default();
        let again = wrapped(variant, changes).prepare_after(Some(first), &device, &mut |event| {
            prefixes += usize::from(matches!(event, Event::Prefix { .. }));
        });
        assert_eq!(prefixes == 0, shared, "{variant}");
        let fresh = prepare(config(Some(variant), changes));
        assert!(
            finished(again.unwrap().as_ref(), &format!("again-{case}"))
                == finished(fresh.as_ref(), &format!("fresh-{case}")),
            "{variant}"
        );
    }
}

#[test]
fn a_run_of_other_settings_is_not_taken_for_this_one() {
    let dir = tempfile::tempdir().unwrap();
    let experiment = prepare(config(None, &[]));
    let toml = experiment.config_toml().unwrap();
    let folder = RunFolder::create(dir.path(), &toml, &experiment.manifest()).unwrap();
    let asked = |changes: &[_]| ExperimentConfig::Images(Box::new(config(None, changes)));
    asked(&[])
        .check_same_as(&folder.config_path(), Path::new("/"))
        .unwrap();
    // A folder of the time before a setting that has a default.
    let kept = toml.replace("accumulation = 1\n", "");
    assert_ne!(kept, toml);
    fs::write(folder.config_path(), kept).unwrap();
    asked(&[])
        .check_same_as(&folder.config_path(), Path::new("/"))
        .unwrap();
    let other = asked(&[("training.epochs", "7")]);
    let message = other
        .check_same_as(&folder.config_path(), Path::new("/"))
        .unwrap_err()
        .to_string();
    for part in ["config.toml", "epochs = 2", "epochs = 7"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn the_configuration_of_a_run_reads_back_as_itself() {
    for variant in VARIANTS {
        let config = config(Some(variant), &[]);
        let text = config.to_toml().unwrap();
        let again =
            ImageExperimentConfig::parse(&text, Path::new("config.toml"), None, &[]).unwrap();
        let again = ImageExperimentConfig {
            variants: config.variants.clone(),
            ..again
        };
        assert_eq!(again, config, "{variant}");
    }
}

#[test]
fn a_resumed_run_ends_with_equal_results() {
    for variant in [
        None,
        Some("hide-lora"),
        Some("gem"),
        Some("o-lora"),
        Some("aligned"),
        Some("routed"),
        Some("branches"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let experiment = prepare(config(variant, &[]));
        let whole = run(experiment.as_ref(), &dir.path().join("whole"));
        // As if the program had stopped while writing the last checkpoint.
        let path = dir.path().join("stopped");
        run(experiment.as_ref(), &path);
        fs::remove_file(path.join("checkpoints/02/result.json")).unwrap();
        fs::remove_file(path.join("metrics.json")).unwrap();
        let fresh = prepare(config(variant, &[]));
        let folder = RunFolder::open(&path).unwrap();
        let resumed = fresh.run(&folder, &mut |_| {}).unwrap();
        assert_eq!(resumed.matrix, whole.matrix, "{variant:?}");
        let bytes = |run: &str| {
            fs::read(
                dir.path()
                    .join(run)
                    .join("checkpoints/02/model.safetensors"),
            )
            .unwrap()
        };
        assert_eq!(bytes("whole"), bytes("stopped"), "{variant:?}");
    }
}

/// Every method, stopped after steps 2, 5, 7 and 12 of its 12, the last one with all training done.
#[test]
fn a_run_that_is_stopped_within_tasks_ends_with_equal_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut experiment = prepare(config(None, &[]));
    for variant in [None].into_iter().chain(VARIANTS.map(Some)) {
        let [whole, stopped] =
            ["whole", "stopped"].map(|run| dir.path().join(format!("{variant:?}-{run}")));
        experiment = with_config(experiment, config(variant, &[]));
        run(experiment.as_ref(), &whole);
        let toml = experiment.config_toml().unwrap();
        RunFolder::create(&stopped, &toml, &experiment.manifest()).unwrap();
        for stop_after in [2, 5, 7, 12] {
            let stop = Arc::new(AtomicBool::new(false));
            let folder = RunFolder::open(&stopped).unwrap();
            let folder = folder.stopped_by(Arc::clone(&stop));
            let outcome = experiment.run(&folder, &mut |event| {
                if let Event::Step { step, .. } = event {
                    let steps = step.epochs * step.steps;
                    let taken = step.task.0 * steps + step.step_in_task() + 1;
                    // Joint training takes all its steps in the one stage of the last task.
                    let taken = match variant {
                        Some("joint-lora") => step.step_in_task() + 1,
                        _ => taken,
                    };
                    stop.store(taken == stop_after, Ordering::Relaxed);
                }
            });
            let error = outcome.unwrap_err();
            assert!(
                matches!(error, Error::Interrupted { .. }),
                "{variant:?}: {error}"
            );
        }
        let folder = RunFolder::open(&stopped).unwrap();
        let mut steps = 0;
        experiment
            .run(&folder, &mut |event| {
                steps += usize::from(matches!(event, Event::Step { .. }))
            })
            .unwrap();
        assert_eq!(
            steps, 0,
            "{variant:?}: all steps were taken before the last stop"
        );
        assert_eq!(
            files::of_result(&stopped),
            files::of_result(&whole),
            "{variant:?}"
        );
        assert!(!stopped.join("progress").exists());
    }
}

#[test]
fn a_base_in_half_precision_trains_resumes_and_is_recorded() {
    let half = ("model.precision", "bf16");
    let device = Device::default();
    if !device.supports_dtype(FloatDType::BF16) {
        let prepared = try_prepare(config(None, &[half]));
        let message = prepared.err().unwrap().to_string();
        assert!(message.contains("model.precision"), "{message}");
        return;
    }
    for variant in [None, Some("hide-lora"), Some("o-lora")] {
        let dir = tempfile::tempdir().unwrap();
        let [whole, stopped, single] = ["whole", "stopped", "single"].map(|n| dir.path().join(n));
        let mut experiment = prepare(config(variant, &[half]));
        let expected = run(experiment.as_ref(), &whole);
        let written = fs::read_to_string(whole.join("config.toml")).unwrap();
        assert!(written.contains("precision = \"bf16\""), "{written}");
        run(experiment.as_ref(), &stopped);
        fs::remove_file(stopped.join("checkpoints/02/result.json")).unwrap();
        fs::remove_file(stopped.join("metrics.json")).unwrap();
        let folder = RunFolder::open(&stopped).unwrap();
        let fresh = prepare(config(variant, &[half]));
        let resumed = fresh.run(&folder, &mut |_| {}).unwrap();
        assert_eq!(resumed.matrix, expected.matrix, "{variant:?}");
        let state = |run: &Path| fs::read(run.join("checkpoints/02/model.safetensors")).unwrap();
        assert_eq!(state(&whole), state(&stopped), "{variant:?}");
        // Another base, another result.
        run(prepare(config(variant, &[])).as_ref(), &single);
        assert_ne!(state(&whole), state(&single), "{variant:?}");

        let row = experiment.score_again(&folder, None).unwrap();
        for batch_size in ["1", "7"] {
            let changes = [half, ("training.evaluation_batch_size", batch_size)];
            experiment = with_config(experiment, config(variant, &changes));
            let again = experiment.score_again(&folder, Some(3)).unwrap();
            assert_eq!(counts(&again), counts(&row), "{variant:?}, {batch_size}");
        }
    }
}

/// Every method meets its own constants and the activations in one graph.
#[test]
fn recomputed_activations_give_equal_results() {
    let variants = [
        None,
        Some("ewc"),
        Some("gem"),
        Some("ogd"),
        Some("lwf"),
        Some("o-lora"),
        Some("aligned"),
        Some("hide-lora"),
    ];
    let dir = tempfile::tempdir().unwrap();
    let runs = ["kept", "recomputed"].map(|activations| {
        let setting = [("training.activations", activations)];
        let mut experiment = prepare(config(None, &setting));
        let mut matrices = Vec::new();
        for (number, variant) in variants.into_iter().enumerate() {
            experiment = with_config(experiment, config(variant, &setting));
            let folder = dir.path().join(format!("{activations}-{number}"));
            matrices.push(run(experiment.as_ref(), &folder).matrix);
            let written = fs::read_to_string(folder.join("config.toml")).unwrap();
            let line = format!("activations = \"{activations}\"");
            assert!(written.contains(&line), "{written}");
        }
        matrices
    });
    let [kept, recomputed] = runs;
    for (number, variant) in variants.into_iter().enumerate() {
        assert_eq!(kept[number], recomputed[number], "{variant:?}");
        let [kept, recomputed] = ["kept", "recomputed"].map(|activations| {
            let folder = dir.path().join(format!("{activations}-{number}"));
            fs::read(folder.join("checkpoints/02/model.safetensors")).unwrap()
        });
        assert!(kept == recomputed, "{variant:?}: other parameters");
    }
}

/// Right answers of each task; what a task inference got right is not counted in a mixture.
fn counts(row: &[TaskScore]) -> Vec<Cell> {
    row.iter().filter_map(|score| score.counts).collect()
}

#[test]
fn accuracy_depends_neither_on_batch_size_nor_on_the_mixture_of_tasks() {
    for variant in [
        None,
        Some("hide-lora"),
        Some("aligned"),
        Some("routed"),
        Some("oracle"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut experiment = prepare(config(variant, &[]));
        run(experiment.as_ref(), dir.path().join("run").as_path());
        let folder = RunFolder::open(&dir.path().join("run")).unwrap();
        let expected = experiment.score_again(&folder, None).unwrap();
        for batch_size in ["1", "7", "64"] {
            let changed = config(variant, &[("training.evaluation_batch_size", batch_size)]);
            experiment = with_config(experiment, changed);
            for shuffle in [None, Some(1), Some(2)] {
                let row = experiment.score_again(&folder, shuffle).unwrap();
                assert_eq!(
                    counts(&row),
                    counts(&expected),
                    "{variant:?}, batch {batch_size}, {shuffle:?}"
                );
            }
        }
    }
}

/// Three groups of two classes in two domains, the first group once more in each.
const COMING_BACK: Changes<'_> = &[
    ("data.domains", "['plain', 'negative']"),
    ("data.train_per_class", "16"),
    ("data.test_per_class", "8"),
    ("stream.scenario", "'versatile-incremental'"),
    ("stream.tasks", "8"),
    ("stream.classes_per_task", "2"),
    ("stream.train_per_class", "4"),
    ("stream.test_per_class", "2"),
];

#[test]
fn domains_and_classes_that_come_back_are_learned_and_scored() {
    let dir = tempfile::tempdir().unwrap();
    let mut experiment = prepare(config(None, COMING_BACK));
    for variant in [
        None,
        Some("sequential-lora"),
        Some("joint-lora"),
        Some("aligned"),
        Some("routed"),
        Some("oracle"),
        Some("branches"),
    ] {
        experiment = with_config(experiment, config(variant, COMING_BACK));
        let path = dir.path().join(variant.unwrap_or("default"));
        let summary = run(experiment.as_ref(), &path);
        assert!(summary.floors.contains_key("lda") || variant.is_some());
        let folder = RunFolder::open(&path).unwrap();
        let tasks = folder.manifest().unwrap().tasks;
        assert_eq!(tasks.len(), 8);
        let [first, again] = [&tasks[0], &tasks[6]];
        assert!(
            first.starts_with("plain: ") && first == again,
            "{first}, {again}"
        );
        assert_eq!(tasks[1], first.replace("plain", "negative"));
        let outline = folder.outline().unwrap().unwrap();
        for (after, seen) in [(1, 2), (3, 4), (7, 6)] {
            let allowed = outline.allowed(TaskId(0), TaskId(after));
            assert_eq!(allowed, (0..seen).collect::<Vec<_>>());
        }
        // Two pictures of two classes each, counted the same way in a mixture of the tasks.
        let row = counts(&experiment.score_again(&folder, None).unwrap());
        assert!(row.len() == 8 && row.iter().all(|cell| cell.total == 4));
        let mixed = experiment.score_again(&folder, Some(1)).unwrap();
        assert_eq!(counts(&mixed), row, "{variant:?}");
        assert_eq!(summary.matrix.tasks(), 8);
    }
    // What infers a task from the class cannot tell apart tasks of the same classes, and says what can.
    let hide = config(Some("hide-lora"), COMING_BACK);
    experiment = with_config(experiment, hide);
    let toml = experiment.config_toml().unwrap();
    let path = dir.path().join("hide-lora");
    let folder = RunFolder::create(&path, &toml, &experiment.manifest()).unwrap();
    let refused = experiment
        .run(&folder, &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("task_identity") && refused.contains("frozen"),
        "{refused}"
    );
}

/// As [`joint_training_is_above_chance`], over two domains: 80 pictures in all, chance is 1/2, give or take 0.06.
#[test]
fn joint_training_in_two_domains_is_above_chance() {
    let dir = tempfile::tempdir().unwrap();
    let changes = [
        COMING_BACK,
        &[
            ("data.train_per_class", "96"),
            ("data.test_per_class", "40"),
            ("data.noise", "0.0"),
            ("data.domains", "['plain', 'rotated-90']"),
            ("stream.tasks", "4"),
            ("stream.classes_per_task", "1"),
            ("stream.class_order", "{ given = [4, 9] }"),
            ("stream.train_per_class", "48"),
            ("stream.test_per_class", "20"),
            ("training.epochs", "12"),
        ],
    ];
    let experiment = prepare(config(Some("joint-lora"), &changes.concat()));
    let summary = run(experiment.as_ref(), &dir.path().join("run"));
    let scores = [0, 1, 2, 3].map(|on| summary.matrix.score(3, on).unwrap());
    assert!(scores.iter().sum::<f64>() / 4.0 > 0.7, "{scores:?}");
}

#[test]
fn wrong_settings_name_file_and_key() {
    let cases = [
        ("method.lora.rank", "0", "`method.lora.rank`"),
        ("method.lora.rnak", "2", "rnak"),
        ("method.max_depth", "0", "`method.max_depth`"),
        ("method.seed", "0", "`training.seed`"),
        ("training.batch_size", "0", "`training.batch_size`"),
        (
            "training.epochs_per_task",
            "[1]",
            "`training.epochs_per_task`",
        ),
        ("stream.tasks", "0", "`stream.tasks`"),
        ("images.prefetch", "0", "`images.prefetch`"),
        ("model.image_size", "0", "`model.image_size`"),
        (
            "floors.lda",
            "{ kind = 'lda', shrinkage = 2.0 }",
            "`floors.lda.shrinkage`",
        ),
        (
            "classifier.discriminant",
            "{ kind = 'lda', shrinkage = 2.0 }",
            "`classifier.discriminant.shrinkage`",
        ),
        (
            "classifier.transport",
            "{ kind = 'linear', ridge = 0.0 }",
            "`classifier.transport.ridge`",
        ),
        (
            "classifier",
            "{ alignment = { head = { epochs = 0 } } }",
            "`classifier.alignment.head.epochs`",
        ),
        ("surprise", "1", "surprise"),
    ];
    for (key, value, named) in cases {
        let error = try_config(None, &[(key, value)]).unwrap_err().to_string();
        assert!(
            error.contains("tiny.toml") && error.contains(named),
            "{key}: {error}"
        );
    }
}

#[test]
fn inference_is_named_and_refused_where_it_means_nothing() {
    let label = |variant, inference| {
        let config = config(Some(variant), &[("inference", inference)]);
        treelora_experiment::ExperimentConfig::from(config).method_label()
    };
    assert_eq!(label("plain", "latest"), "plain");
    assert_eq!(label("plain", "routed"), "plain-routed");
    assert_eq!(label("oracle", "oracle"), "oracle");
    assert_eq!(label("hide-lora", "oracle"), "hide-lora-oracle");
    let refused = |variant: Option<&str>, (key, value), named: &str| {
        let error = try_config(variant, &[(key, value)])
            .unwrap_err()
            .to_string();
        assert!(error.contains(named), "{variant:?}: {error}");
    };
    refused(Some("ewc"), ("inference", "routed"), "ewc");
    refused(Some("hide-lora"), ("inference", "routed"), "hide-lora");
    // The transport of the default classifier.
    refused(None, ("inference", "oracle"), "transport");
    refused(None, ("routing", "{ kind = 'lda' }"), "routing");
    refused(None, ("inference", "newest"), "newest");
    // One router is enough, and it needs adapters to route to.
    refused(
        Some("branches"),
        ("inference", "routed"),
        "classifier.router",
    );
    let router = "{ discriminant = { kind = 'rda' }, router = { kind = 'lda' } }";
    refused(Some("ewc"), ("classifier", router), "classifier.router");
    assert_eq!(label("branches", "oracle"), "branches-oracle");
}

/// Each mode answers with other adapters, and all of them with the same training.
#[test]
fn the_kind_of_inference_changes_answers_and_not_the_training() {
    let dir = tempfile::tempdir().unwrap();
    let mut experiment = prepare(config(Some("plain"), &[]));
    let mut ends = Vec::new();
    for inference in ["latest", "routed", "oracle"] {
        let changes = [("inference", inference), ("method.slow_learning", "1.0")];
        experiment = with_config(experiment, config(Some("plain"), &changes));
        let path = dir.path().join(inference);
        let summary = run(experiment.as_ref(), &path);
        let model = fs::read(path.join("checkpoints/02/model.safetensors")).unwrap();
        ends.push((summary.matrix, model));
    }
    let [(_, latest), (_, routed), (oracle, told)] = &ends[..] else {
        panic!("three runs");
    };
    assert_eq!((latest, latest), (routed, told));
    assert_ne!(&ends[0].0, oracle, "the task's own adapter answers");
}

#[test]
fn what_does_not_fit_the_model_is_an_error_before_training() {
    let refused = |changes: &[(&str, &str)]| {
        let dir = tempfile::tempdir().unwrap();
        let config = config(None, changes);
        let experiment = try_prepare(config);
        let outcome = experiment.and_then(|experiment| {
            let toml = experiment.config_toml()?;
            let folder = RunFolder::create(&dir.path().join("run"), &toml, &experiment.manifest())?;
            experiment.run(&folder, &mut |_| {})
        });
        outcome.map(drop).unwrap_err().to_string()
    };
    // Two blocks with q and v: four layers.
    let error = refused(&[("method.max_depth", "5")]);
    assert!(
        error.contains("`method.max_depth`") && error.contains('4'),
        "{error}"
    );
    let error = refused(&[("method.lora.rank", "17")]);
    assert!(error.contains("rank") && error.contains("17"), "{error}");
    let error = refused(&[("method.lora.target_modules", "['nowhere']")]);
    assert!(
        error.contains("`method.lora.target_modules`") && error.contains("nowhere"),
        "{error}"
    );
    let error = refused(&[("model.heads", "3")]);
    assert!(error.contains("`model."), "{error}");
    let error = refused(&[("data", "{ name = 'procedural', classes = 0 }")]);
    assert!(error.contains("`data.classes`"), "{error}");
    let error = refused(&[("stream.class_order", "{ given = [9, 99, 5] }")]);
    assert!(error.contains("`stream.class_order`"), "{error}");
    let error = refused(&[("pretraining.classes", "[0, 99]")]);
    assert!(error.contains("`pretraining."), "{error}");
    let error = refused(&[("model.weights", "'no/such/file.safetensors'")]);
    assert!(error.contains("no/such/file.safetensors"), "{error}");
    let error = refused(&[("data", "{ name = 'cifar-100', path = 'no/such/folder' }")]);
    assert!(error.contains("no/such/folder"), "{error}");
}

#[test]
fn an_existing_run_folder_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("keep.txt"), "precious").unwrap();
    let experiment = prepare(config(Some("sequential-lora"), &[]));
    let toml = experiment.config_toml().unwrap();
    let error = RunFolder::create(dir.path(), &toml, &experiment.manifest()).unwrap_err();
    assert!(error.to_string().contains("not empty"), "{error}");
    assert_eq!(
        fs::read_to_string(dir.path().join("keep.txt")).unwrap(),
        "precious"
    );
}

#[test]
fn what_a_crash_left_of_a_new_folder_is_no_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.1");
    let left = dir.path().join("run.1.partial");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("config.toml"), "half").unwrap();
    let experiment = prepare(config(Some("sequential-lora"), &[]));
    let toml = experiment.config_toml().unwrap();
    RunFolder::check_free(&path).unwrap();
    let folder = RunFolder::create(&path, &toml, &experiment.manifest()).unwrap();
    assert_eq!(fs::read_to_string(folder.config_path()).unwrap(), toml);
    assert!(!left.exists());
}

#[test]
fn every_stage_says_what_its_checkpoint_takes() {
    let dir = tempfile::tempdir().unwrap();
    let experiment = prepare(config(None, &[]));
    run(experiment.as_ref(), dir.path());
    let costs = RunFolder::open(dir.path())
        .unwrap()
        .result()
        .unwrap()
        .unwrap()
        .costs;
    assert!(costs.iter().all(|cost| cost.checkpoint_bytes.is_some()));
    // Each task adds its adapter and its signature.
    assert!(costs.is_sorted_by_key(|cost| cost.checkpoint_bytes));
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let experiment = prepare(config(None, &[]));
    let whole = run(experiment.as_ref(), &dir.path().join("whole"));
    for file in ["model.safetensors", "method/treelora.json", "result.json"] {
        let path = dir.path().join(file.replace('/', "-"));
        run(experiment.as_ref(), &path);
        let last = path.join("checkpoints/02");
        let names: Vec<String> = fs::read_dir(last.join("method"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        assert!(last.join(file).is_file(), "{file}: {names:?}");
        let mut bytes = fs::read(last.join(file)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(last.join(file), bytes).unwrap();
        let folder = RunFolder::open(&path).unwrap();
        // Scoring writes nothing, so it sets nothing aside.
        let refused = experiment.score_again(&folder, None).unwrap_err();
        assert!(refused.to_string().contains(file), "{refused}");
        let mut warnings = Vec::new();
        let resumed = experiment.run(&folder, &mut |event| {
            if let Event::Warning { message } = event {
                warnings.push(message.clone());
            }
        });
        assert_eq!(resumed.unwrap().matrix, whole.matrix, "{file}");
        assert!(
            warnings.len() == 1 && warnings[0].contains(file),
            "{warnings:?}"
        );
        assert!(path.join("checkpoints/02.damaged").is_dir());
    }
}

#[test]
fn a_run_that_another_process_works_on_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let experiment = prepare(config(Some("sequential-lora"), &[]));
    let toml = experiment.config_toml().unwrap();
    let folder = RunFolder::create(dir.path(), &toml, &experiment.manifest()).unwrap();
    let lock = folder.lock().unwrap();
    let error = experiment
        .run(&folder, &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(error.contains("works on this run"), "{error}");
    assert!(!dir.path().join("checkpoints").exists());
    drop(lock);
    experiment.run(&folder, &mut |_| {}).unwrap();
}

/// A file system without space, as Linux offers it: writing to `/dev/full` fails with `ENOSPC`.
#[cfg(target_os = "linux")]
#[test]
fn without_space_the_run_stops_and_what_was_written_stays_whole() {
    let dir = tempfile::tempdir().unwrap();
    let experiment = prepare(config(Some("sequential-lora"), &[]));
    let whole = run(experiment.as_ref(), &dir.path().join("whole"));
    // The disk is full when the second checkpoint is written.
    let path = dir.path().join("full");
    let toml = experiment.config_toml().unwrap();
    let folder = RunFolder::create(&path, &toml, &experiment.manifest()).unwrap();
    let second = path.join("tasks/01");
    fs::create_dir_all(&second).unwrap();
    let blocked = second.join("adapter.safetensors.tmp");
    std::os::unix::fs::symlink("/dev/full", &blocked).unwrap();
    let error = experiment
        .run(&folder, &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("adapter.safetensors") && error.contains("No space left"),
        "{error}"
    );
    // With space again the run goes on after the first task, with equal results.
    assert!(path.join("checkpoints/00/result.json").is_file());
    assert!(!path.join("checkpoints/01").exists());
    let resumed = experiment.run(&folder, &mut |_| {}).unwrap();
    assert_eq!(resumed.matrix, whole.matrix);
}

#[test]
fn a_run_on_other_weights_or_data_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let experiment = prepare(config(Some("sequential-lora"), &[]));
    let path = dir.path().join("run");
    run(experiment.as_ref(), &path);
    let manifest = path.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let folder = RunFolder::open(&path).unwrap();
    folder.check_provenance(&experiment.manifest()).unwrap();
    fs::write(
        &manifest,
        text.replace("\"data_sha256\": null", "\"data_sha256\": \"00ff\""),
    )
    .unwrap();
    let error = folder
        .check_provenance(&experiment.manifest())
        .unwrap_err()
        .to_string();
    assert!(error.contains("00ff") && error.contains("data"), "{error}");
    fs::write(&manifest, text.replace("\"format\": 2", "\"format\": 999")).unwrap();
    let error = RunFolder::open(&path).unwrap_err().to_string();
    assert!(error.contains("999"), "{error}");
}

#[test]
fn every_variant_of_every_shipped_configuration_is_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let weights = [("model.weights".to_owned(), "'model.safetensors'".to_owned())];
    let mut variants = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("pretrain-") {
            PretrainingFile::load(&path, &[]).unwrap();
            continue;
        }
        ExperimentConfig::load(&path, None, &weights).unwrap();
        let table: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        for name in table["variants"].as_table().unwrap().keys() {
            let config = ExperimentConfig::load(&path, Some(name), &weights).unwrap();
            assert_eq!(config.method_label(), *name);
            variants += 1;
        }
    }
    assert!(variants > 20, "{variants}");
}

/// Give a finished run the number of the first format, as if an older program had written it.
fn of_first_format(run: &Path) {
    let manifest = run.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let old = text.replace("\"format\": 2", "\"format\": 1");
    assert_ne!(old, text);
    fs::write(manifest, old).unwrap();
}

/// Doubles as the first format stored them: three rows of floats whose sum is each.
fn as_floats(values: &[f64]) -> TensorData {
    let mut rest = values.to_vec();
    let mut parts = Vec::new();
    for _ in 0..3 {
        for value in &mut rest {
            parts.push(*value as f32);
            *value -= f64::from(*value as f32);
        }
    }
    TensorData::new(parts, [3, values.len()])
}

#[test]
fn a_run_of_the_first_format_is_read_resumed_and_exported() {
    let dir = tempfile::tempdir().unwrap();
    for variant in ["plain", "sequential-lora", "o-lora", "ewc", "ogd", "lwf"] {
        let experiment = prepare(config(Some(variant), &[]));
        let [whole, old] = ["whole", "old"].map(|run| dir.path().join(format!("{variant}-{run}")));
        let expected = run(experiment.as_ref(), &whole);
        run(experiment.as_ref(), &old);
        of_first_format(&old);
        let folder = RunFolder::open(&old).unwrap();
        assert_eq!(folder.summary().unwrap().unwrap().matrix, expected.matrix);
        let row = |folder: &RunFolder| counts(&experiment.score_again(folder, None).unwrap());
        assert_eq!(
            row(&folder),
            row(&RunFolder::open(&whole).unwrap()),
            "{variant}"
        );
        let adapter = folder.adapter_of(TaskId(2), &Device::default()).unwrap();
        assert!(adapter.num_parameters() > 0);
        // It goes on, and is of the new format from then on.
        fs::remove_file(old.join("checkpoints/02/result.json")).unwrap();
        fs::remove_file(old.join("metrics.json")).unwrap();
        let resumed = experiment.run(&folder, &mut |_| {}).unwrap();
        assert_eq!(resumed.matrix, expected.matrix, "{variant}");
        assert_eq!(folder.manifest().unwrap().format, FORMAT);
    }
}

/// What a method kept as floats: the error names file, tensor, format and version, and all else of
/// the run is read.
#[test]
fn what_only_the_first_format_held_is_named_with_its_version() {
    let dir = tempfile::tempdir().unwrap();
    type Encode = fn(&TensorFile) -> TensorFile;
    let discriminant: Encode = |now| {
        let mut then = TensorFile::new();
        let name = |part| format!("discriminant.{part}");
        let labels = now.indices(&name("labels")).unwrap();
        let counts = now.indices(&name("counts")).unwrap();
        let pairs = labels.iter().zip(&counts);
        let pairs: Vec<f64> = pairs.flat_map(|(l, n)| [*l as f64, *n as f64]).collect();
        then.insert_data(name("counts"), as_floats(&pairs));
        then.insert_data(name("means"), as_floats(&now.f64s(&name("means")).unwrap()));
        let scatters = now.f32s(&name("scatters")).unwrap();
        let len = scatters.len();
        then.insert_f32(name("scatters"), scatters, [len]);
        then
    };
    let memory: Encode = |now| {
        let mut then = TensorFile::new();
        for name in now.names() {
            let data = now.data(name).unwrap().clone();
            then.insert_data(name, data.convert_dtype(DType::F32));
        }
        then
    };
    let cases = [
        (
            None,
            "discriminant.safetensors",
            "discriminant.counts",
            discriminant,
        ),
        (Some("gem"), "memory.safetensors", "task-0000.block", memory),
    ];
    for (variant, file, tensor, encode) in cases {
        let experiment = prepare(config(variant, &[]));
        let path = dir.path().join(file);
        run(experiment.as_ref(), &path);
        let checkpoint = path.join("checkpoints/02");
        let stored = checkpoint.join("method").join(file);
        encode(&TensorFile::load(&stored).unwrap())
            .save(&stored)
            .unwrap();
        let list = checkpoint.join("checksums.json");
        let mut checksums: BTreeMap<String, String> = read_json(&list).unwrap();
        checksums.insert(format!("method/{file}"), sha256(&stored).unwrap());
        write_json(&list, &checksums).unwrap();
        // Of a run of this format it is a plain error.
        let folder = RunFolder::open(&path).unwrap();
        let error = experiment
            .score_again(&folder, None)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(tensor) && !error.contains("version"),
            "{error}"
        );

        of_first_format(&path);
        let folder = RunFolder::open(&path).unwrap();
        let scored = experiment.score_again(&folder, None).unwrap_err();
        let resumed = experiment.run(&folder, &mut |_| {}).unwrap_err();
        let version = format!("version {}", env!("CARGO_PKG_VERSION"));
        for error in [scored.to_string(), resumed.to_string()] {
            for word in [file, tensor, "is F32", "format 1", &version, "format 2"] {
                assert!(error.contains(word), "{word}: {error}");
            }
        }
        assert!(folder.summary().unwrap().is_some());
        folder.adapter_of(TaskId(2), &Device::default()).unwrap();
    }
}
