//! Whole language experiments on a tiny decoder and a tiny stream, in seconds.
#![allow(clippy::unwrap_used)]

mod files;
mod text_world;

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use burn::{module::Module, tensor::Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use treelora_cl_bench::text::Encoding;
use treelora_experiment::{
    Error, Event, Experiment, ExperimentConfig, GenerationConfig, LanguageModel, RunFolder,
    TextExperiment, export_adapter,
};
use treelora_models::decoder::DecoderConfig;

use crate::text_world::World;

const PER_TASK: &str = "name = 'lora-per-task'";

const HIDE: &str = "name = 'hide-lora', contrast = 0.0, \
                    task_identity = { kind = 'frozen', discriminant = { kind = 'lda' } }";

const METHODS: [&str; 15] = [
    "name = 'tree-lora', mode = 'treelora'",
    "name = 'tree-lora', mode = 'paper', max_depth = 4",
    "name = 'tree-lora', mode = 'reference'",
    "name = 'sequential-lora'",
    "name = 'joint-lora'",
    "name = 'o-lora'",
    "name = 'ewc', fisher_examples = 4",
    "name = 'gem'",
    "name = 'a-gem'",
    "name = 'ogd'",
    "name = 'lwf'",
    "name = 'fix', shots = 2, max_prompt = 60",
    PER_TASK,
    HIDE,
    BRANCHES,
];

const BRANCHES: &str = "name = 'branch-lora', start = 'probe'";

/// Among the four answers that the run has kept, counted here.
fn share_of_right_answers(folder: &RunFolder, after: usize, on: usize) -> f64 {
    let path = format!("answers/{after:02}/{on:02}.json");
    let answers = fs::read(folder.path().join(path)).unwrap();
    let answers: Vec<serde_json::Value> = serde_json::from_slice(&answers).unwrap();
    assert_eq!(answers.len(), 4);
    let right = answers.iter().filter(|a| a["generated"] == a["answer"]);
    right.count() as f64 / 4.0
}

/// All weights, and steps enough: what was asked in training is answered in the test, and nothing is before.
#[test]
fn a_task_that_can_be_learned_is_learned_on_text() {
    let world = World::new();
    let learned = |epochs: &str| {
        let changes = [
            ("method.lora.trainable", "['weight']"),
            ("training.epochs", epochs),
        ];
        let experiment = world.prepare("name = 'sequential-lora'", &changes);
        let (folder, summary) = world.run(&experiment, epochs);
        [0, 1, 2].map(|task| {
            let score = summary.matrix.score(task, task).unwrap();
            assert_eq!(
                score,
                share_of_right_answers(&folder, task, task),
                "task {task}"
            );
            score
        })
    };
    let (short, long) = (learned("1"), learned("160"));
    assert_eq!(short, [0.0; 3]);
    assert!(long.iter().all(|score| *score >= 0.75), "{long:?}");
}

#[test]
fn every_method_fills_its_matrix_on_text() {
    let world = World::new();
    for (number, method) in METHODS.into_iter().enumerate() {
        let experiment = world.prepare(method, &[]);
        let (folder, summary) = world.run(&experiment, &format!("run-{number}"));
        let last = summary.matrix.tasks() - 1;
        assert_eq!(last, 2, "{method}");
        for on in 0..=last {
            let right = Some(share_of_right_answers(&folder, last, on));
            assert_eq!(summary.matrix.score(last, on), right, "{method} task {on}");
        }
        assert!(summary.other_rules.contains_key("treelora"), "{method}");
        assert!(summary.floors.contains_key("majority"), "{method}");
        assert_eq!(
            summary.cost.trainable_parameters == 0,
            method.contains("'fix'"),
            "{method}"
        );
        assert!(folder.path().join("answers/02/00.json").is_file());
        assert!(folder.path().join("stream.json").is_file());
        // What was written reads back as the same experiment.
        let again = ExperimentConfig::load(&folder.config_path(), None, &[]).unwrap();
        let own = experiment.config().clone();
        assert_eq!(again, ExperimentConfig::Text(Box::new(own)), "{method}");
    }
}

#[test]
fn a_resumed_run_ends_with_equal_results_on_text() {
    let world = World::new();
    for (number, method) in [METHODS[0], "name = 'o-lora'", "name = 'gem'"]
        .into_iter()
        .enumerate()
    {
        let experiment = world.prepare(method, &[]);
        let (whole, summary) = world.run(&experiment, &format!("whole-{number}"));
        let (stopped, _) = world.run(&experiment, &format!("stopped-{number}"));
        fs::remove_file(stopped.path().join("checkpoints/02/result.json")).unwrap();
        fs::remove_file(stopped.path().join("metrics.json")).unwrap();
        let resumed = world
            .prepare(method, &[])
            .run(&stopped, &mut |_| {})
            .unwrap();
        assert_eq!(resumed.matrix, summary.matrix, "{method}");
        let bytes = |run: &RunFolder| {
            fs::read(run.path().join("checkpoints/02/model.safetensors")).unwrap()
        };
        assert!(bytes(&whole) == bytes(&stopped), "{method}: other adapters");
    }
}

/// Every method, with dropout: stopped at steps that no accumulation, epoch or task ends with.
#[test]
fn a_run_that_is_stopped_within_tasks_ends_with_equal_files_on_text() {
    let world = World::new();
    let plain = METHODS.map(|method| (method, &[][..]));
    let routed =
        [PER_TASK, METHODS[0], BRANCHES].map(|method| (method, &[("inference", "routed")][..]));
    for (number, (method, changes)) in plain.into_iter().chain(routed).enumerate() {
        let experiment = world.prepare(method, changes);
        let (whole, _) = world.run(&experiment, &format!("whole-{number}"));
        let path = world.dir.path().join(format!("stopped-{number}"));
        let toml = experiment.config_toml().unwrap();
        RunFolder::create(&path, &toml, &experiment.manifest()).unwrap();
        let (mut taken, mut stops) = (0, 0);
        let outcome = loop {
            let stop = Arc::new(AtomicBool::new(false));
            let folder = RunFolder::open(&path).unwrap();
            let folder = folder.stopped_by(Arc::clone(&stop));
            let outcome = experiment.run(&folder, &mut |event| {
                if matches!(event, Event::Step { .. }) {
                    taken += 1;
                    stop.store(taken % 3 == 1, Ordering::Relaxed);
                }
            });
            match outcome {
                Err(Error::Interrupted { .. }) => stops += 1,
                other => break other,
            }
        };
        outcome.unwrap();
        assert_eq!(stops == 0, method.contains("'fix'"), "{method}");
        assert_eq!(
            files::of_result(&path),
            files::of_result(whole.path()),
            "{method}"
        );
    }
}

#[test]
fn scores_do_not_depend_on_the_evaluation_batch_size() {
    let world = World::new();
    let experiment = world.prepare(METHODS[0], &[]);
    let (folder, _) = world.run(&experiment, "run");
    let expected = experiment.score_again(&folder, None).unwrap();
    for size in ["1", "4"] {
        let changed = world.prepare(METHODS[0], &[("training.evaluation_batch_size", size)]);
        let row = changed.score_again(&folder, None).unwrap();
        assert_eq!(row, expected, "batches of {size}");
    }
}

/// What is kept of a task's answers: generated text and the task whose adapter wrote it, where one was inferred.
fn kept_answers(folder: &RunFolder, after: usize, on: usize) -> Vec<(String, Option<u64>)> {
    let path = format!("answers/{after:02}/{on:02}.json");
    let answers = fs::read(folder.path().join(path)).unwrap();
    let answers: Vec<serde_json::Value> = serde_json::from_slice(&answers).unwrap();
    let kept = answers.iter().map(|answer| {
        let generated = answer["generated"].as_str().unwrap().to_owned();
        (generated, answer["task"].as_u64())
    });
    kept.collect()
}

/// Enough training that each adapter writes texts of its own.
#[test]
fn text_is_answered_by_the_newest_the_inferred_or_the_told_tasks_adapter() {
    let world = World::new();
    for (number, method) in [PER_TASK, METHODS[0], HIDE].into_iter().enumerate() {
        let run = |inference: &str, size: &str| {
            let changes = [
                ("inference", inference),
                ("training.epochs", "30"),
                ("training.learning_rate", "3e-2"),
                ("method.lora.rank", "4"),
                ("training.evaluation_batch_size", size),
            ];
            let experiment = world.prepare(method, &changes);
            let (folder, summary) = world.run(&experiment, &format!("{inference}-{size}-{number}"));
            let restored = experiment.restored(&folder).unwrap();
            let shares = restored.result.costs.iter();
            let shares: Vec<_> = shares.map(|cost| cost.task_inference_accuracy).collect();
            (folder, summary, shares)
        };
        let (told, of_told, shares) = run("oracle", "3");
        assert_eq!(shares, [None; 3], "{method}");
        // What was kept answers as it did when its task had just been learned.
        let mut others = 0;
        for on in 0..3 {
            let own = kept_answers(&told, on, on);
            assert_eq!(kept_answers(&told, 2, on), own, "{method} task {on}");
            others += usize::from(on > 0 && own != kept_answers(&told, on - 1, on - 1));
        }
        assert!(others > 0, "{method}: all adapters write the same");

        let infers = method == HIDE;
        let (inferring, summary, shares) = run(["routed", "latest"][usize::from(infers)], "3");
        let mut right = 0;
        for on in 0..3_usize {
            let told = kept_answers(&told, 2, on);
            for ((text, task), (of_told, _)) in kept_answers(&inferring, 2, on).iter().zip(&told) {
                let task = task.expect("a task was inferred");
                if task == on as u64 {
                    right += 1;
                    assert_eq!(text, of_told, "{method} task {on}");
                }
            }
        }
        assert_eq!(shares[0], Some(1.0), "{method}: one task alone");
        assert_eq!(shares[2], Some(f64::from(right) / 12.0), "{method}");
        assert!(shares[2] > Some(0.6), "{method}: {shares:?}");
        // Of prompts, neither which share a batch nor how many.
        for size in ["1", "64"] {
            let (again, _, _) = run(["routed", "latest"][usize::from(infers)], size);
            for on in 0..3 {
                let answers = kept_answers(&again, 2, on);
                assert_eq!(answers, kept_answers(&inferring, 2, on), "{method}: {size}");
            }
        }
        if infers {
            continue;
        }
        // 3 means and a covariance of 16 features, beside the adapters.
        let stored = summary.cost.stored_bytes - of_told.cost.stored_bytes;
        assert!((1_000..10_000).contains(&stored), "{method}: {stored}");
        assert!(summary.label.ends_with("-routed"), "{}", summary.label);
        assert!(of_told.label.ends_with("-oracle"), "{}", of_told.label);
        let (newest, _, shares) = run("latest", "3");
        assert_eq!(shares, [None; 3], "{method}");
        let first = kept_answers(&newest, 2, 0);
        assert!(first.iter().all(|(_, task)| task.is_none()), "{first:?}");
        assert_ne!(first, kept_answers(&told, 2, 0), "{method}");
    }
}

#[test]
fn a_base_in_half_precision_trains_resumes_and_is_recorded_on_text() {
    let world = World::new();
    let half = ("model.precision", "bf16");
    for (number, method) in [METHODS[0], "name = 'o-lora'"].into_iter().enumerate() {
        let experiment = world.prepare(method, &[half]);
        let (whole, summary) = world.run(&experiment, &format!("whole-{number}"));
        let written = fs::read_to_string(whole.config_path()).unwrap();
        assert!(written.contains("precision = \"bf16\""), "{written}");
        let (stopped, _) = world.run(&experiment, &format!("stopped-{number}"));
        fs::remove_file(stopped.path().join("checkpoints/02/result.json")).unwrap();
        fs::remove_file(stopped.path().join("metrics.json")).unwrap();
        let fresh = world.prepare(method, &[half]);
        let resumed = fresh.run(&stopped, &mut |_| {}).unwrap();
        assert_eq!(resumed.matrix, summary.matrix, "{method}");
        let state = |run: &RunFolder| {
            fs::read(run.path().join("checkpoints/02/model.safetensors")).unwrap()
        };
        assert!(state(&whole) == state(&stopped), "{method}: other adapters");
        let (single, _) = world.run(&world.prepare(method, &[]), &format!("single-{number}"));
        assert!(
            state(&whole) != state(&single),
            "{method}: the setting does nothing"
        );

        let row = experiment.score_again(&whole, None).unwrap();
        for size in ["1", "4"] {
            let changes = [half, ("training.evaluation_batch_size", size)];
            let again = world.prepare(method, &changes).score_again(&whole, None);
            assert_eq!(again.unwrap(), row, "{method}: batches of {size}");
        }
    }
}

/// The file is a fixture of the tokenizers' tests: a LLaMA of one layer, with everything that describes it.
#[test]
fn a_gguf_file_is_a_base_like_a_folder() {
    let world = World::new();
    let fixtures = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../cl-bench/tests/fixtures/gguf"
    );
    let file = world.dir.path().join("model.gguf");
    fs::copy(Path::new(fixtures).join("bytes.gguf"), &file).unwrap();
    let weights = format!("'{}'", file.display());
    let base = ("model.weights", weights.as_str());
    let experiment = world.prepare(METHODS[0], &[base]);
    let manifest = experiment.manifest();
    let sum = treelora_cl_bench::sha256(&file).unwrap();
    assert_eq!(manifest.weights_sha256, Some(sum));
    let (whole, summary) = world.run(&experiment, "whole");
    assert_eq!(summary.matrix.tasks(), 3);
    // The same weights as a folder end in the same adapters.
    let device = Device::default();
    let model = LanguageModel::load(&file, &device).unwrap();
    assert_eq!(model.notes, [] as [String; 0]);
    let folder = world.dir.path().join("folder");
    model.decoder.save(&folder).unwrap();
    let again = LanguageModel::load(&file, &device).unwrap();
    let config = GenerationConfig {
        max_new_tokens: 6,
        ..again.generation()
    };
    let mut ids = Vec::new();
    for path in [&file, &folder] {
        let decoder = treelora_models::decoder::Decoder::load(path, &device).unwrap();
        let model = LanguageModel {
            decoder,
            tokenizer: treelora_cl_bench::text::Tokenizer::load(&file).unwrap(),
            rules: again.rules.clone(),
            notes: Vec::new(),
        };
        let continued = model
            .continue_prompt("How many frogs", &Encoding::default(), &config, &mut |_| ())
            .unwrap();
        ids.push(continued.ids);
    }
    assert_eq!(ids[0], ids[1]);
    assert!(!ids[0].is_empty());
    // A PEFT folder of the run fits the file.
    let out = world.dir.path().join("peft");
    export_adapter(&whole, 2, &out).unwrap();
    again.with_peft_adapter(&out).unwrap();
    // A half-precision base is another run, and other weights are refused.
    let half = world.prepare(METHODS[0], &[base, ("model.precision", "bf16")]);
    world.run(&half, "half");
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let other = world.prepare(METHODS[0], &[base]);
    let error = whole.check_weights(other.manifest().weights_sha256);
    assert!(error.is_err_and(|error| error.to_string().contains("weights")));
}

#[test]
fn recomputed_activations_give_equal_results_on_text() {
    let world = World::new();
    for (number, method) in METHODS.into_iter().enumerate() {
        let [kept, recomputed] = ["kept", "recomputed"].map(|activations| {
            let experiment = world.prepare(method, &[("training.activations", activations)]);
            let (folder, summary) = world.run(&experiment, &format!("{activations}-{number}"));
            let state = folder.path().join("checkpoints/02/model.safetensors");
            (summary.matrix, fs::read(state).ok())
        });
        assert_eq!(kept.0, recomputed.0, "{method}");
        assert!(kept.1 == recomputed.1, "{method}: other adapters");
    }
}

/// A weight decay of 4 times the step blows adapters up threefold a step: a task of a few steps bears it, a long one
/// does not.
#[test]
fn a_run_that_diverges_keeps_its_last_task_and_names_step_and_batch() {
    let world = World::new();
    let changes = [
        (
            "training.optimizer",
            "{ name = 'adamw', weight_decay = 400.0 }",
        ),
        ("training.learning_rate", "1e-2"),
        ("training.schedule", "'constant'"),
        ("training.warm_up", "0.0"),
        ("training.epochs_per_task", "[1, 200, 1]"),
        // Else later tasks learn at a tenth of the rate, and decay instead.
        ("method.slow_learning", "1.0"),
    ];
    let experiment = world.prepare(METHODS[0], &changes);
    let path = world.dir.path().join("diverging");
    let toml = experiment.config_toml().unwrap();
    let folder = RunFolder::create(&path, &toml, &experiment.manifest()).unwrap();
    let (mut steps, mut row) = (0, Vec::new());
    let error = experiment
        .run(&folder, &mut |event| match event {
            Event::Step { step, .. } if step.task.0 == 1 => steps += 1,
            Event::Evaluated { score, .. } => row.push(score.clone()),
            _ => {}
        })
        .unwrap_err();
    // The steps before went well, and the one that is named did not.
    let Error::Diverged {
        step, batch, value, ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(step.task.0, 1);
    assert_eq!(step.step_in_task(), steps);
    assert!(steps > 1 && *batch / 2 == step.step && !value.is_finite());
    let message = error.to_string();
    let named = [
        "task 1".to_owned(),
        format!("epoch {}", step.epoch),
        format!("step {}", step.step),
        format!("batch {batch}"),
    ];
    for part in named {
        assert!(message.contains(&part), "{message} names no {part}");
    }

    // What the first task left is whole: it scores as it did, and nothing follows it.
    assert_eq!(row.len(), 1, "the first task alone was scored");
    assert!(path.join("tasks/00/adapter.safetensors").is_file());
    assert!(!path.join("checkpoints/01").exists() && !path.join("metrics.json").exists());
    let before = fs::read(path.join("checkpoints/00/model.safetensors")).unwrap();
    let fresh = world.prepare(METHODS[0], &changes);
    let opened = RunFolder::open(&path).unwrap();
    assert_eq!(fresh.score_again(&opened, None).unwrap(), row);
    let restored = fresh.restored(&opened).unwrap();
    assert_eq!(restored.result.costs.len(), 1);
    // Resumed, it comes to the same step, and the checkpoint stands.
    let again = fresh.run(&opened, &mut |_| {}).unwrap_err();
    assert_eq!(again.to_string(), message);
    let after = fs::read(path.join("checkpoints/00/model.safetensors")).unwrap();
    assert!(before == after, "the checkpoint has changed");
    // With bearable settings the folder goes on to its end.
    let mut bearable = changes;
    bearable[4].1 = "[1, 1, 1]";
    let summary = world
        .prepare(METHODS[0], &bearable)
        .run(&opened, &mut |_| {})
        .unwrap();
    assert_eq!(summary.matrix.tasks(), 3);
}

#[test]
fn an_exported_adapter_answers_as_the_run_did() {
    let world = World::new();
    // The model's head is tied: what adapts it adapts no less.
    let ends = [(
        "method.lora.target_modules",
        r"['(q_proj|lm_head|embed_tokens)\.weight$']",
    )];
    let runs = [
        (METHODS[0], &[][..]),
        ("name = 'o-lora'", &[]),
        ("name = 'sequential-lora'", &ends),
    ];
    for (number, (method, changes)) in runs.into_iter().enumerate() {
        let experiment = world.prepare(method, changes);
        let (folder, _) = world.run(&experiment, &format!("run-{number}"));
        let out = world.dir.path().join(format!("peft-{number}"));
        export_adapter(&folder, 2, &out).unwrap();
        let adapted = fs::read_to_string(out.join("adapter_config.json")).unwrap();
        for end in ["\"lm_head\"", "\"model.embed_tokens\""] {
            assert_eq!(adapted.contains(end), !changes.is_empty(), "{adapted}");
        }
        let device = Device::default();
        let model = LanguageModel::load(&world.model(), &device).unwrap();
        let plain = model.decoder.clone();
        let exported = model.with_peft_adapter(&out).unwrap();
        let restored = experiment.restored(&folder).unwrap();
        let answering = restored.method.for_evaluation(&restored.learner).unwrap();
        let batch = treelora_models::decoder::TextBatch {
            examples: vec![treelora_models::decoder::TextExample::new(&[5, 6, 7], &[8])],
        };
        use treelora_core::ContinualModel;
        let logits = |model: &treelora_models::decoder::Decoder| -> Vec<f32> {
            model.valid().logits(&batch).into_data().iter().collect()
        };
        let largest = |left: &[f32], right: &[f32]| {
            let pairs = left.iter().zip(right);
            pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        let (ours, theirs) = (logits(&answering.model), logits(&exported.decoder));
        assert!(largest(&ours, &theirs) < 1e-5, "{method}");
        assert!(largest(&ours, &logits(&plain)) > 1e-3, "{method}");
    }
    let error = export_adapter(
        &RunFolder::open(&world.dir.path().join("run-0")).unwrap(),
        9,
        &world.dir.path().join("nowhere"),
    );
    assert!(error.unwrap_err().to_string().contains("tasks/09"));
}

#[test]
fn streamed_pieces_join_to_the_text_of_the_continuation() {
    let world = World::new();
    let model = LanguageModel::load(&world.model(), &Device::default()).unwrap();
    let config = GenerationConfig {
        max_new_tokens: 20,
        temperature: 1.5,
        seed: 3,
        ..GenerationConfig::default()
    };
    let mut pieces = String::new();
    let continuation = model
        .continue_prompt(
            "what of the sky? ",
            &Encoding::default(),
            &config,
            &mut |text| {
                pieces += text;
            },
        )
        .unwrap();
    assert_eq!(pieces, continuation.text);
    assert_eq!(continuation.ids.len(), 20);
}

#[test]
fn wrong_input_is_named() {
    let world = World::new();
    let prepared = |method: &str, changes: &[(&str, &str)]| {
        let config = world.try_config(method, changes);
        let experiment = config
            .and_then(|config| TextExperiment::prepare(config, &Device::default(), &mut |_| ()));
        let outcome = experiment.and_then(|experiment| {
            let path = world.dir.path().join("refused");
            let toml = experiment.config_toml()?;
            let folder = RunFolder::create(&path, &toml, &experiment.manifest())?;
            let outcome = experiment.run(&folder, &mut |_| {}).map(drop);
            fs::remove_dir_all(&path).unwrap();
            outcome
        });
        outcome.unwrap_err().to_string()
    };
    let tree = METHODS[0];
    for (method, changes, named) in [
        (
            tree,
            ("generation.max_new_tokens", "0"),
            "`generation.max_new_tokens`",
        ),
        (tree, ("data.tasks", "['colours', 'smells']"), "smells"),
        (tree, ("data.order", "1"), "`data.order`"),
        (tree, ("encoding.max_prompt", "0"), "`encoding.max_prompt`"),
        (
            tree,
            ("batching.token_budget", "0"),
            "`batching.token_budget`",
        ),
        (
            tree,
            ("generation.temperature", "-1.0"),
            "`generation.temperature`",
        ),
        (tree, ("method.lambda", "-1.0"), "`method.lambda`"),
        (tree, ("method.seed", "1"), "`training.seed`"),
        (
            tree,
            ("data.name", "'no-such-benchmark'"),
            "no-such-benchmark",
        ),
        (tree, ("model.weights", "'no/such/model'"), "no/such/model"),
        (
            tree,
            ("model.weights", "''"),
            "no folder or GGUF file of a decoder",
        ),
        (tree, ("training.warm_up", "1.0"), "`training.warm_up`"),
        (
            tree,
            ("training.accumulation", "0"),
            "`training.accumulation`",
        ),
        (
            tree,
            ("training.epochs_per_task", "[1]"),
            "`training.epochs_per_task`",
        ),
        (tree, ("training.learning_rate", "1e30"), "the loss is"),
        (tree, ("surprise", "1"), "surprise"),
        (
            "name = 'hide-lora'",
            ("name", "'x'"),
            "`method.task_identity",
        ),
        (HIDE, ("method.contrast", "0.1"), "`method.contrast`"),
        (HIDE, ("inference", "routed"), "infers tasks itself"),
        (
            HIDE,
            ("method.lora.trainable", "['norm']"),
            "`method.lora.trainable`",
        ),
        (PER_TASK, ("routing", "{ kind = 'lda' }"), "`routing`"),
        (PER_TASK, ("inference", "newest"), "newest"),
        (
            "name = 'sequential-lora'",
            ("inference", "oracle"),
            "`sequential-lora` keeps no adapter",
        ),
        ("name = 'fix', shots = 0", ("name", "'x'"), "`method.shots`"),
    ] {
        let error = prepared(method, &[changes]);
        assert!(error.contains(named), "{changes:?}: {error}");
    }
    // A tokenizer with more tokens than the embedding has rows.
    let text = fs::read_to_string(world.model().join("config.json")).unwrap();
    let rows = LanguageModel::load(&world.model(), &Device::default());
    let rows = rows.unwrap().tokenizer.vocabulary();
    let smaller = DecoderConfig {
        max_position_embeddings: 128,
        ..DecoderConfig::llama(rows - 1, 16, 2, 4)
    };
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let decoder = smaller.init(&mut rng, &Device::default()).unwrap();
    decoder.save(&world.model()).unwrap();
    assert_ne!(
        fs::read_to_string(world.model().join("config.json")).unwrap(),
        text
    );
    let error = prepared(tree, &[("name", "'x'")]);
    assert!(
        error.contains(&rows.to_string()) && error.contains(&(rows - 1).to_string()),
        "{error}"
    );
}
