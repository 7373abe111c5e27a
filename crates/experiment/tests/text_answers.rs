//! Answers that are chosen, given once, or not scored at all, and what a stream does to the base.
#![allow(clippy::unwrap_used)]

mod text_world;

use std::fs;

use burn::tensor::Device;
use treelora_core::TaskId;
use treelora_experiment::{Event, Experiment, ExperimentConfig, RunFolder, TextExperiment};
use treelora_models::decoder::{Decoder, GenerationRequest, TextBatch, TextExample};

use crate::text_world::World;

const SEQUENTIAL: &str = "name = 'sequential-lora'";
const CHOOSE: (&str, &str) = ("generation.answer", "'choose'");
const SIDE_BY_SIDE: (&str, &str) = ("generation.side_by_side", "true");
/// Enough that adapters matter.
const LONG: [(&str, &str); 2] = [
    ("training.epochs", "20"),
    ("training.learning_rate", "3e-2"),
];

/// The answers of a file: what was answered and what was answered in the other way.
fn kept(folder: &RunFolder, after: usize, on: usize) -> Vec<(String, Option<String>)> {
    let path = format!("answers/{after:02}/{on:02}.json");
    let answers = fs::read(folder.path().join(path)).unwrap();
    let answers: Vec<serde_json::Value> = serde_json::from_slice(&answers).unwrap();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let answers = answers.iter();
    answers
        .map(|answer| (text(&answer["generated"]).unwrap(), text(&answer["other"])))
        .collect()
}

fn chosen(folder: &RunFolder, after: usize, on: usize) -> Vec<String> {
    let kept = kept(folder, after, on).into_iter();
    kept.map(|(answer, _)| answer).collect()
}

/// Log-likelihood of a label after a prompt, whole and alone.
fn likelihood(model: &Decoder, prompt: &[u32], label: &[u32]) -> f64 {
    let batch = TextBatch {
        examples: vec![TextExample::new(prompt, label)],
    };
    let likelihoods = model.answer_log_likelihoods(&batch).swap_remove(0);
    assert_eq!(likelihoods.len(), label.len());
    likelihoods.into_iter().map(f64::from).sum()
}

/// The best label of each test prompt by exhaustive scoring.
fn exhaustive(
    experiment: &TextExperiment,
    folder: &RunFolder,
    on: usize,
    labels: &[&str],
    value: impl Fn(&Decoder, &[u32], &[u32]) -> f64,
) -> Vec<String> {
    let restored = experiment.restored(folder).unwrap();
    let answering = restored.method.for_evaluation(&restored.learner).unwrap();
    let prompts = experiment.stream().test_examples(TaskId(on));
    let prompts = prompts.iter().map(|example| {
        let values = labels.iter().map(|label| {
            let ids = experiment.tokenizer().encode(label).unwrap();
            value(&answering.model, &example.prompt_ids, &ids)
        });
        let values: Vec<f64> = values.collect();
        let best = (0..labels.len()).max_by(|a, b| values[*a].total_cmp(&values[*b]));
        labels[best.unwrap()].to_owned()
    });
    prompts.collect()
}

#[test]
fn the_likeliest_label_is_chosen_as_by_scoring_each_alone() {
    let world = World::new();
    let path = world.model().join("tokenizer_config.json");
    let mut settings: serde_json::Value = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap(),
        Err(_) => serde_json::json!({}),
    };
    settings["chat_template"] = "sky {{ messages[0].content }} cat ".into();
    fs::write(&path, settings.to_string()).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for (number, (normalization, chat)) in [
        ("sum", "false"),
        ("mean", "false"),
        ("pmi", "false"),
        ("sum", "true"),
    ]
    .into_iter()
    .enumerate()
    {
        let quoted = format!("'{normalization}'");
        let mut changes = vec![
            CHOOSE,
            ("generation.normalization", quoted.as_str()),
            (
                "generation.labels",
                "{ colours = ['green', 'blue', 'a very blue sky'] }",
            ),
            ("encoding.max_prompt", "90"),
            ("encoding.max_answer", "30"),
            ("encoding.chat_template", chat),
        ];
        changes.extend(LONG);
        let experiment = world.prepare(SEQUENTIAL, &changes);
        let (folder, summary) = world.run(&experiment, &format!("run-{number}"));
        let blank = experiment.config().encoding.clone();
        let blank = blank
            .prompt(experiment.tokenizer(), "Answer:", 90)
            .unwrap()
            .ids;
        for (on, labels) in [
            &["green", "blue", "a very blue sky"][..],
            &["bark", "meow"],
            &["2", "3"],
        ]
        .into_iter()
        .enumerate()
        {
            let expected = exhaustive(&experiment, &folder, on, labels, |model, prompt, label| {
                let sum = likelihood(model, prompt, label);
                match normalization {
                    "mean" => sum / label.len() as f64,
                    "pmi" => sum - likelihood(model, &blank, label),
                    _ => sum,
                }
            });
            assert_eq!(
                chosen(&folder, 2, on),
                expected,
                "{normalization} {chat} {on}"
            );
            seen.extend(expected.iter().cloned());
            let prompts = experiment.stream().test_examples(TaskId(on));
            let right = prompts.iter().zip(&expected);
            let right = right.filter(|(example, answer)| example.answer_text == **answer);
            let right = right.count() as f64 / 4.0;
            assert_eq!(summary.matrix.score(2, on), Some(right));
        }
        let row = experiment.score_again(&folder, None).unwrap();
        for size in ["1", "4"] {
            let mut changes = changes.clone();
            changes.push(("training.evaluation_batch_size", size));
            let again = world.prepare(SEQUENTIAL, &changes);
            assert_eq!(again.score_again(&folder, None).unwrap(), row, "{size}");
        }
    }
    assert!(seen.len() > 3, "always the same answers: {seen:?}");
}

/// What the prompts of a task share goes through the decoder once; no answer knows of it.
#[test]
fn written_answers_are_those_to_each_prompt_alone() {
    let world = World::new();
    let mut seen = std::collections::BTreeSet::new();
    for temperature in ["0.0", "1.5"] {
        let changes = [
            ("generation.temperature", temperature),
            ("generation.max_new_tokens", "6"),
            LONG[0],
            LONG[1],
        ];
        let experiment = world.prepare(SEQUENTIAL, &changes);
        let (folder, _) = world.run(&experiment, temperature);
        let restored = experiment.restored(&folder).unwrap();
        let answering = restored.method.for_evaluation(&restored.learner).unwrap();
        let (config, tokenizer) = (experiment.config(), experiment.tokenizer());
        for on in 0..3 {
            let prompts = experiment.stream().test_examples(TaskId(on));
            let shared = prompts.iter().map(|example| &example.prompt_ids[..2]);
            assert!(shared.clone().all(|ids| Some(ids) == shared.clone().next()));
            let stops = tokenizer.special().stops.clone();
            let settings = config.generation.of("", config.training.seed, stops);
            let alone = prompts.iter().zip(0..).map(|(example, stream)| {
                let prompt = example.prompt_ids.clone();
                let request = [GenerationRequest { prompt, stream }];
                let answer = answering.model.generate(&request, &settings, |_, _| {});
                tokenizer.decode(&answer.unwrap()[0].ids).unwrap()
            });
            let alone: Vec<String> = alone.collect();
            assert_eq!(chosen(&folder, 2, on), alone, "{temperature} {on}");
            seen.extend(alone);
        }
    }
    assert!(seen.len() > 6, "always the same answers: {seen:?}");
}

#[test]
fn an_answer_ends_where_no_label_can_follow_and_scores_as_it_would_whole() {
    const NO_LABEL: (&str, &str) = ("generation.stop", "'no-label'");
    let world = World::new();
    let (mut whole, mut cut) = (0, 0);
    for (number, (method, changes)) in [
        ("name = 'frozen'", vec![]),
        (SEQUENTIAL, LONG.to_vec()),
        (
            SEQUENTIAL,
            [&LONG[..], &[("generation.temperature", "1.0")]].concat(),
        ),
        // One letter is enough.
        ("name = 'frozen'", vec![("data.tasks", "['ScienceQA']")]),
    ]
    .into_iter()
    .enumerate()
    {
        if number == 3 {
            fs::rename(world.data().join("counts"), world.data().join("ScienceQA")).unwrap();
        }
        let changes = [&changes[..], &[("generation.max_new_tokens", "12")]].concat();
        let run = |changes: &[(&str, &str)], name: &str| {
            let experiment = world.prepare(method, changes);
            let (folder, summary) = world.run(&experiment, &format!("{name}-{number}"));
            let scores = experiment.score_again(&folder, None).unwrap();
            (folder, summary, scores)
        };
        let (ended, of_ended, scores) = run(&changes, "ended");
        let stopping = [&changes[..], &[NO_LABEL]].concat();
        let (stopped, of_stopped, of_cut) = run(&stopping, "stopped");
        assert_eq!(of_stopped.matrix, of_ended.matrix);
        assert_eq!(of_stopped.other_rules, of_ended.other_rules);
        // Counts of right answers and both flavours.
        assert_eq!(of_cut, scores);
        assert!(scores.iter().all(|score| score.other_rules.len() == 1));
        for on in 0..scores.len() {
            let after = scores.len() - 1;
            let pairs = chosen(&ended, after, on).into_iter();
            for (long, short) in pairs.zip(chosen(&stopped, after, on)) {
                // Cut within a character.
                let short = short.trim_end_matches(char::REPLACEMENT_CHARACTER);
                assert!(long.starts_with(short), "{long:?} {short:?}");
                whole += long.len();
                cut += short.len();
            }
        }
    }
    assert!(3 * cut < 2 * whole && cut > 0, "{cut} of {whole}");

    // Without labels nothing is known of what may follow.
    let few = [
        ("data.tasks", "['colours']"),
        ("data.train_per_task", "3"),
        ("generation.max_new_tokens", "12"),
    ];
    let (ended, _) = world.run(&world.prepare(SEQUENTIAL, &few), "few");
    let stopping = [&few[..], &[NO_LABEL]].concat();
    let (stopped, _) = world.run(&world.prepare(SEQUENTIAL, &stopping), "few-stopped");
    assert_eq!(chosen(&stopped, 0, 0), chosen(&ended, 0, 0));
}

#[test]
fn both_ways_stand_side_by_side_and_each_is_what_it_is_alone() {
    let world = World::new();
    let run = |changes: &[(&str, &str)], name: &str| {
        let changes = [&LONG[..], changes].concat();
        world.run(&world.prepare(SEQUENTIAL, &changes), name)
    };
    let (generated, of_generated) = run(&[], "generated");
    let (labels, of_labels) = run(&[CHOOSE], "labels");
    assert_ne!(of_generated.matrix, of_labels.matrix, "both ways are one");
    for (first, second, of_first, of_second, changes) in [
        (
            &generated,
            &labels,
            &of_generated,
            &of_labels,
            vec![SIDE_BY_SIDE],
        ),
        (
            &labels,
            &generated,
            &of_labels,
            &of_generated,
            vec![SIDE_BY_SIDE, CHOOSE],
        ),
    ] {
        let other = ["choose", "generate"][usize::from(changes.len() == 2)];
        let (both, of_both) = run(&changes, other);
        assert_eq!(of_both.matrix, of_first.matrix);
        let accuracy = |metrics: &std::collections::BTreeMap<String, _>| {
            let metric: &treelora_cl_bench::metrics::MetricValue = &metrics["acc_last"];
            metric.value
        };
        assert_eq!(
            accuracy(&of_both.other_rules[other]),
            accuracy(&of_second.metrics)
        );
        assert!(of_both.other_rules.contains_key("treelora"));
        for on in 0..3 {
            let pairs = chosen(first, 2, on).into_iter();
            let pairs = pairs.zip(chosen(second, 2, on).into_iter().map(Some));
            assert_eq!(kept(&both, 2, on), pairs.collect::<Vec<_>>());
        }
    }
    // Of three records no label has three: nothing to choose among, so that the decoder writes.
    let few = ("data.train_per_task", "3");
    let (_, written) = run(&[few], "few");
    let (folder, unlabelled) = run(&[few, CHOOSE, SIDE_BY_SIDE], "few-labels");
    assert_eq!(unlabelled.matrix, written.matrix);
    for (answer, other) in kept(&folder, 2, 0) {
        assert_eq!(Some(answer), other);
    }
}

#[test]
fn routed_answers_can_be_chosen() {
    let world = World::new();
    let run = |inference: &str| {
        let mut changes = vec![CHOOSE, ("inference", inference)];
        changes.extend(LONG);
        let experiment = world.prepare("name = 'lora-per-task'", &changes);
        let (folder, summary) = world.run(&experiment, inference);
        // Answers that were not given again are those that would be.
        let anew = experiment.score_again(&folder, None).unwrap();
        for (on, score) in anew.iter().enumerate() {
            assert_eq!(score.value, summary.matrix.score(2, on), "{inference}");
        }
        (folder, summary)
    };
    let (oracle, _) = run("oracle");
    let (routed, _) = run("routed");
    let mut own = 0;
    for on in 0..3_u64 {
        let path = format!("answers/02/{on:02}.json");
        let answers = fs::read(routed.path().join(path)).unwrap();
        let answers: Vec<serde_json::Value> = serde_json::from_slice(&answers).unwrap();
        let told = chosen(&oracle, 2, on as usize);
        // An adapter that is kept chooses what it chose when it was new.
        assert_eq!(told, chosen(&oracle, on as usize, on as usize));
        for (answer, told) in answers.iter().zip(told) {
            if answer["task"].as_u64() == Some(on) {
                own += 1;
                assert_eq!(answer["generated"], told);
            }
        }
    }
    assert!(own > 6, "{own} of 12 were routed rightly");
}

#[test]
fn an_untouched_base_is_a_row_of_its_own() {
    let world = World::new();
    for (number, answer) in ["'generate'", "'choose'"].into_iter().enumerate() {
        let experiment = world.prepare("name = 'frozen'", &[("generation.answer", answer)]);
        let (folder, summary) = world.run(&experiment, &format!("frozen-{number}"));
        assert_eq!(summary.cost.trainable_parameters, 0);
        assert_eq!(summary.method, "frozen");
        for on in 0..3 {
            let first = chosen(&folder, on, on);
            let restored = experiment.restored(&folder).unwrap();
            for step in &restored.result.costs {
                assert_eq!(step.steps, 0);
            }
            for after in on..3 {
                assert_eq!(chosen(&folder, after, on), first);
                assert!(summary.matrix.score(after, on).is_some());
            }
        }
        let change = summary.base_loss_change.unwrap();
        assert_eq!((change.change, change.before), (0.0, change.after));
        // What was written reads back as the same experiment.
        let again = ExperimentConfig::load(&folder.config_path(), None, &[]).unwrap();
        let own = experiment.config().clone();
        assert_eq!(again, ExperimentConfig::Text(Box::new(own)));
        let rows = experiment.score_again(&folder, None).unwrap();
        assert_eq!(rows[0].value, summary.matrix.score(2, 0));
    }
    let refused = world.try_config("name = 'frozen', shots = 2", &[]);
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("`shots`"), "{message}");
}

#[test]
fn the_loss_of_the_base_is_taken_before_and_after() {
    let world = World::new();
    let run = |changes: &[(&str, &str)], name: &str| {
        let changes = [&LONG[..], changes].concat();
        let experiment = world.prepare(SEQUENTIAL, &changes);
        let (folder, summary) = world.run(&experiment, name);
        let written = fs::read(folder.path().join("metrics.json")).unwrap();
        let written: serde_json::Value = serde_json::from_slice(&written).unwrap();
        let change = summary.base_loss_change.unwrap();
        assert_eq!(written["base_loss_change"]["change"], change.change);
        (experiment, folder, change)
    };
    let (experiment, folder, change) = run(&[], "own");
    assert!(change.tokens > 1000 && change.before > 1.0, "{change:?}");
    assert!(change.change.abs() > 1e-5, "{change:?}");
    assert_eq!(change.change, change.after - change.before);
    let (_, _, again) = run(&[("training.evaluation_batch_size", "1")], "batches");
    assert_eq!(again, change);

    // Of a text of one's own, by hand.
    let text = "what of the sky? blue, and the dog says bark";
    let path = world.data().join("general.txt");
    fs::write(&path, text).unwrap();
    let quoted = format!("'{}'", path.display());
    let (_, _, of_file) = run(&[("general_text", &quoted)], "file");
    let tokenizer = experiment.tokenizer();
    let ids = [tokenizer.prefix(), &tokenizer.encode(text).unwrap()].concat();
    let loss = |model: &Decoder| -likelihood(model, &ids[..1], &ids[1..]) / (ids.len() - 1) as f64;
    assert_eq!(of_file.tokens, ids.len() - 1);
    let restored = experiment.restored(&folder).unwrap();
    let answering = restored.method.for_evaluation(&restored.learner).unwrap();
    assert!(
        (of_file.after - loss(&answering.model)).abs() < 1e-5,
        "{of_file:?}"
    );
    assert!((of_file.before - loss(experiment.model())).abs() < 1e-5);

    fs::write(&path, "").unwrap();
    let config = world.config(SEQUENTIAL, &[("general_text", &quoted)]);
    let refused = TextExperiment::prepare(config, &Device::default(), &mut |_| ());
    let message = refused.err().unwrap().to_string();
    assert!(message.contains("`general_text`"), "{message}");
}

#[test]
fn the_last_row_and_the_diagonal_are_those_of_the_whole_matrix() {
    let world = World::new();
    let run = |rows: &str| {
        let experiment = world.prepare(SEQUENTIAL, &[("evaluation.rows", rows), LONG[0], LONG[1]]);
        let (_, summary) = world.run(&experiment, rows.trim_matches('\''));
        summary
    };
    let (all, last) = (run("'all'"), run("'last'"));
    for after in 0..3 {
        for on in 0..=after {
            let expected = all.matrix.score(after, on);
            assert!(expected.is_some());
            let taken = after == 2 || after == on;
            let expected = expected.filter(|_| taken);
            assert_eq!(last.matrix.score(after, on), expected, "{after} {on}");
        }
    }
    for metric in ["acc_last", "learning_acc", "bwt_gem"] {
        let values = [&all, &last].map(|summary| summary.metrics[metric].value);
        assert!(values[0].is_some());
        assert_eq!(values[0], values[1], "{metric}");
    }
    assert_eq!(last.metrics["aia_task_weighted"].value, None);
}

#[test]
fn labels_that_cannot_be_chosen_among_are_named() {
    let world = World::new();
    for (labels, part) in [
        ("{ colours = ['blue', ' '] }", "a label is empty"),
        ("{ colours = ['blue'] }", "1 label"),
        (
            "{ colours = ['blue', 'green', 'blue'] }",
            "`blue` occurs twice",
        ),
    ] {
        let refused = world.try_config(SEQUENTIAL, &[("generation.labels", labels)]);
        let message = refused.unwrap_err().to_string();
        for part in [part, "generation.labels.colours"] {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }
    for (labels, part) in [
        (
            "{ shapes = ['round', 'square'] }",
            "generation.labels.shapes",
        ),
        (
            "{ colours = ['what of the sky, what of the grass', 'x'] }",
            "8 at most",
        ),
    ] {
        let config = world.config(SEQUENTIAL, &[CHOOSE, ("generation.labels", labels)]);
        let refused = TextExperiment::prepare(config, &Device::default(), &mut |_| ());
        let message = refused.err().unwrap().to_string();
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    // Of a benchmark's task that the stream leaves out, of one whose labels begin each other: no mistakes.
    let labels = "{ FOMC = ['A', 'B'], sounds = ['meow', 'meow meow'] }";
    let changes = [CHOOSE, ("generation.labels", labels)];
    let experiment = world.prepare(SEQUENTIAL, &changes);
    let (folder, _) = world.run(&experiment, "begun");
    let allowed = ["meow", "meow meow"];
    assert!(
        chosen(&folder, 2, 1)
            .iter()
            .all(|a| allowed.contains(&a.as_str()))
    );
}

#[test]
fn empty_answers_are_warned_of_with_what_helps() {
    let world = World::new();
    // The only label of training is the end of a text: the decoder learns to write nothing.
    let folder = world.data().join("colours");
    for split in ["train", "test"] {
        let path = folder.join(format!("{split}.json"));
        let records = fs::read_to_string(&path).unwrap();
        let records = records
            .replace("\"blue\"", "\"<|eos|>\"")
            .replace("\"green\"", "\"<|eos|>\"");
        fs::write(path, records).unwrap();
    }
    let changes = [
        ("data.tasks", "['colours']"),
        ("method.lora.trainable", "['weight']"),
        ("training.epochs", "60"),
    ];
    let experiment = world.prepare(SEQUENTIAL, &changes);
    let end = experiment.tokenizer().special().eos.unwrap();
    assert_eq!(experiment.tokenizer().encode("<|eos|>").unwrap(), [end]);
    let path = world.dir.path().join("empty");
    let toml = experiment.config_toml().unwrap();
    let folder = RunFolder::create(&path, &toml, &experiment.manifest()).unwrap();
    let mut warnings = Vec::new();
    experiment
        .run(&folder, &mut |event| {
            if let Event::Warning { message } = event {
                warnings.push(message.clone());
            }
        })
        .unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for part in ["colours: 4 of 4", "encoding.chat_template", "choose"] {
        assert!(
            warnings[0].contains(part),
            "`{part}` is not in: {}",
            warnings[0]
        );
    }
}

#[test]
fn a_task_of_o_lora_has_its_own_labels_and_keeps_its_instruction() {
    let world = World::new();
    let folder = world.data().join("TC/agnews");
    fs::create_dir_all(&folder).unwrap();
    let labels = ["World", "Sports"];
    let sentence =
        |number: usize| format!("{number} what of the sky? blue, grass green, cat meow {number}");
    let records: Vec<serde_json::Value> = (0..4)
        .map(|number| {
            let label = labels[number % 2];
            serde_json::json!({ "sentence": sentence(number), "label": label })
        })
        .collect();
    let write = |name: &str, value: &serde_json::Value| {
        fs::write(folder.join(name), value.to_string()).unwrap();
    };
    // Only one of the labels occurs in training: the file has both.
    write("train.json", &records[..1].to_vec().into());
    write("test.json", &records.into());
    write("labels.json", &serde_json::json!(labels));
    let changes = [
        ("data.name", "'o-lora'"),
        ("data.tasks", "['agnews']"),
        ("encoding.max_prompt", "85"),
        ("encoding.max_answer", "18"),
        CHOOSE,
        ("generation.normalization", "'pmi'"),
        LONG[0],
        LONG[1],
    ];
    let experiment = world.prepare(SEQUENTIAL, &changes);
    let instruction =
        "Which topic does the text below belong to?\nChoose one of: World, Sports.\n\n";
    let tokenizer = experiment.tokenizer();
    let report = &experiment.stream().report().tasks[0];
    assert_eq!(report.test.prompts_cut, 4, "{report:?}");
    for (number, example) in experiment
        .stream()
        .test_examples(TaskId(0))
        .iter()
        .enumerate()
    {
        let read = tokenizer.decode(&example.prompt_ids).unwrap();
        let begin = format!("{instruction}{number} what");
        assert!(read.starts_with(&begin), "{read}");
        assert!(read.ends_with(&format!("{number}\n\nAnswer:")), "{read}");
        assert!(!read.contains(&sentence(number)), "{read}");
    }
    let (folder, _) = world.run(&experiment, "o-lora");
    let blank = format!("{instruction}\n\nAnswer:");
    let blank = experiment.config().encoding.prompt(tokenizer, &blank, 85);
    let blank = blank.unwrap().ids;
    let expected = exhaustive(&experiment, &folder, 0, &labels, |model, prompt, label| {
        likelihood(model, prompt, label) - likelihood(model, &blank, label)
    });
    assert_eq!(chosen(&folder, 0, 0), expected);
}
