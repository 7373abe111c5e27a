//! The binary from outside: exit codes and messages.
#![allow(clippy::unwrap_used)]

use std::{
    path::PathBuf,
    process::{Command, Output},
};

fn treelora(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_treelora"))
        .args(arguments)
        .env_remove("TREELORA_DATA")
        .env("BURN_DEVICE", "flex")
        .output()
        .unwrap()
}

fn config(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    folder.join(name).display().to_string()
}

fn refused(arguments: &[&str]) -> String {
    let output = treelora(arguments);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
    assert!(!message.contains("panicked"), "{message}");
    message
}

#[test]
fn wrong_input_exits_with_2_and_names_what_is_wrong() {
    let cifar = config("split-cifar100-vit-tiny.toml");
    let quickstart = config("quickstart.toml");
    let trace = config("trace-500-stories260k.toml");
    let cases: [(&[&str], &str); 14] = [
        (&["run", &trace], "model.weights"),
        (
            &["run", &trace, "--weights", "no/model", "--data", "no/data"],
            "no/model",
        ),
        (
            &["run", &cifar, "--weights", "w", "--allow-missing"],
            "allow_missing",
        ),
        (
            &["generate", "--model", "no/model", "--prompt", "x"],
            "no/model",
        ),
        (
            &["export", "--run", "no/run", "--task", "0", "--out", "x"],
            "no/run",
        ),
        (&["run", "no/such/file.toml"], "no/such/file.toml"),
        (&["run", &cifar], "weights"),
        (&["run", &quickstart, "--set", "method.lora.rank=0"], "rank"),
        (
            &["run", &quickstart, "--set", "method.surprise=1"],
            "surprise",
        ),
        (&["run", &quickstart, "--set", "nonsense"], "KEY=VALUE"),
        (
            &["run", &quickstart, "--method", "no-such-method"],
            "no-such-method",
        ),
        (&["resume", "no/such/run"], "no/such/run"),
        (&["report", "no/such/run"], "no/such/run"),
        (&["run", &quickstart, "--device", "abacus"], "abacus"),
    ];
    for (arguments, named) in cases {
        let message = refused(arguments);
        assert!(message.contains(named), "{arguments:?}: {message}");
    }
}

#[test]
fn missing_data_and_weights_are_named() {
    let cifar = config("split-cifar100-vit-tiny.toml");
    let weights = [
        "run",
        &cifar,
        "--weights",
        "no/weights.safetensors",
        "--data",
        "no/data",
    ];
    let message = refused(&weights);
    assert!(
        message.contains("no/data") || message.contains("no/weights"),
        "{message}"
    );
}

#[test]
fn an_existing_run_folder_is_refused_before_any_work() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("result"), "old").unwrap();
    let out = dir.path().display().to_string();
    let message = refused(&["run", &config("quickstart.toml"), "--out", &out]);
    assert!(message.contains("not empty"), "{message}");
    assert_eq!(
        std::fs::read_to_string(dir.path().join("result")).unwrap(),
        "old"
    );
}

#[test]
fn the_lists_and_the_simulation_print_tables() {
    let list = treelora(&["list"]);
    let text = String::from_utf8(list.stdout).unwrap();
    for name in [
        "tree-lora",
        "hide-lora",
        "rda",
        "procedural",
        "bwt_treelora_paper",
    ] {
        assert!(text.contains(name), "{name}: {text}");
    }
    let arguments = [
        "bandit-regret",
        "--rounds",
        "200",
        "--seeds",
        "1",
        "--arms",
        "16",
    ];
    let regret = treelora(&arguments);
    assert!(regret.status.success());
    assert!(String::from_utf8(regret.stdout).unwrap().contains("16"));
}

#[test]
fn a_decoder_is_pretrained_from_a_folder_of_text() {
    let dir = tempfile::tempdir().unwrap();
    let story = "once upon a time there was a cat. ".repeat(30);
    std::fs::write(dir.path().join("story.txt"), story).unwrap();
    let (data, out) = (dir.path().to_str().unwrap(), dir.path().join("model"));
    let small = config("pretrain-text-small.toml");
    let pretrain = |changes: &[&str]| -> Vec<String> {
        let fixed = ["pretrain", &small, "--data", data, "--quiet", "--seed", "2"];
        let sets = [
            "data.tasks=[]",
            "data.files=['story.txt']",
            "tokenizer.vocabulary=280",
            "model.hidden_size=24",
            "model.intermediate_size=32",
            "model.num_hidden_layers=1",
            "model.max_position_embeddings=16",
            "training.steps=4",
        ];
        let sets = sets.iter().chain(changes).flat_map(|set| ["--set", set]);
        let all = fixed.into_iter().chain(sets).map(str::to_owned);
        all.chain(["--out".to_owned(), out.display().to_string()])
            .collect()
    };
    let run = |words: &[String]| treelora(&words.iter().map(String::as_str).collect::<Vec<_>>());

    // What is wrong with the data shows before the folder of the model is made.
    let wrong = run(&pretrain(&["data.files=['novel.txt']"]));
    let message = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!(wrong.status.code(), Some(2), "{message}");
    assert!(message.contains("novel.txt") && !out.exists(), "{message}");

    let output = run(&pretrain(&[]));
    let text = String::from_utf8(output.stdout).unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{message}");
    assert!(
        text.contains("4 steps") && text.contains("--weights"),
        "{text}"
    );
    for name in ["model.safetensors", "tokenizer.json", "pretraining.json"] {
        assert!(out.join(name).exists(), "{name}");
    }
    let log = std::fs::read_to_string(out.join("log.jsonl")).unwrap();
    assert!(log.contains("validation_loss"), "{log}");

    let again = run(&pretrain(&[]));
    assert_eq!(
        again.status.code(),
        Some(2),
        "a finished model is not touched"
    );
}

#[test]
fn a_pretraining_that_says_too_little_is_refused() {
    let small = config("pretrain-text-small.toml");
    let cifar = config("split-cifar100-vit-tiny.toml");
    let cases: [(&[&str], &str); 3] = [
        (&["pretrain", &small, "--data", "no/data"], "no/data"),
        (&["pretrain", &small, "--set", "model.heads=2"], "heads"),
        (
            &["pretrain", &cifar, "--set", "model.weights='w'"],
            "[pretraining]",
        ),
    ];
    for (arguments, named) in cases {
        let message = refused(arguments);
        assert!(message.contains(named), "{arguments:?}: {message}");
    }
}
