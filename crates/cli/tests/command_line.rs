//! The binary from outside: exit codes and messages.
#![allow(clippy::unwrap_used)]

use std::{
    path::{Path, PathBuf},
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

/// A fixture of another package's tests.
fn gguf(path: &str) -> String {
    let crates = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    crates.join(path).display().to_string()
}

#[test]
fn a_gguf_file_continues_a_prompt_and_one_without_a_model_is_refused_by_its_key() {
    let model = gguf("cl-bench/tests/fixtures/gguf/bytes.gguf");
    let generate = |prompt: &[&str]| {
        let fixed = [
            "generate",
            "--model",
            &model,
            "--max-new-tokens",
            "4",
            "--json",
        ];
        let output = treelora(&[&fixed[..], prompt].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["prompt_ids"].as_array().unwrap().len()
    };
    let plain = generate(&["--prompt", "How many frogs?"]);
    assert!(generate(&["--prompt", "How many frogs?", "--chat"]) > plain);
    let other = gguf("tensor-file/tests/fixtures/types.gguf");
    let message = refused(&["generate", "--model", &other, "--prompt", "x"]);
    for part in ["types.gguf", "`llama.embedding_length`"] {
        assert!(message.contains(part), "{message}");
    }
    let trace = config("trace-500-stories260k.toml");
    let message = refused(&["run", &trace, "--weights", &other, "--data", "no/data"]);
    assert!(message.contains("types.gguf"), "{message}");
}

const TINY: &str = r#"
name = "tiny"

[data]
name = "procedural"
classes = 6
train_per_class = 4
test_per_class = 2
image_size = 16

[stream]
tasks = 2
class_order = { given = [2, 3, 4, 5] }

[model]
preset = "tiny"
image_size = 16
patch_size = 8
width = 16
depth = 1
heads = 2

[pretraining]
classes = [0, 1]
epochs = 1
batch_size = 8
learning_rate = 1e-3
weight_decay = 0.0

[training]
epochs = 1

[method]
name = "tree-lora"
lora = { rank = 2, alpha = 2.0, target_modules = ['attention\.q\.weight$'] }

[variants.sequential-lora]
method = { name = "sequential-lora", lora = { rank = 2, alpha = 2.0, target_modules = ['attention\.q\.weight$'] } }

[variants.mistaken]
method = { name = "tree-lora", lora = { rank = 0 } }
"#;

#[test]
fn a_comparison_runs_what_is_missing_and_reads_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tiny.toml");
    std::fs::write(&file, TINY).unwrap();
    let (file, out) = (file.display().to_string(), dir.path().join("runs"));
    let compare = |methods: &str, more: &[&str]| {
        let out = out.display().to_string();
        let fixed = ["compare", &file, "--methods", methods, "--out", &out];
        treelora(&[&fixed, more].concat())
    };
    let read = |path: &str| std::fs::read_to_string(out.join(path));

    let wrong = compare("sequential-lora,mistaken", &[]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        !out.exists(),
        "nothing is trained before all settings are read"
    );

    let first = compare("sequential-lora", &["--json"]);
    assert!(first.status.success());
    let summaries: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(summaries[0]["method"], "sequential-lora");
    // Without a terminal, lines tell how far it is.
    let told = String::from_utf8(first.stderr).unwrap();
    assert!(told.contains("task 2") && told.contains("steps"), "{told}");
    let log = read("sequential-lora-1/log.jsonl").unwrap();
    let output = compare("sequential-lora,tree-lora", &["--seeds", "1,2"]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{table}");
    assert!(table.contains("tiny-tree-lora (2 seeds)"), "{table}");
    assert_eq!(read("sequential-lora-1/log.jsonl").unwrap(), log);
    assert!(read("tree-lora-2/metrics.json").is_ok());

    // A run without its last word is gone on with; one of other settings is refused.
    std::fs::remove_file(out.join("tree-lora-1/metrics.json")).unwrap();
    assert!(compare("tree-lora", &[]).status.success());
    assert!(read("tree-lora-1/metrics.json").is_ok());
    let other = compare("tree-lora", &["--set", "training.epochs=3"]);
    let message = String::from_utf8(other.stderr).unwrap();
    assert_eq!(other.status.code(), Some(2), "{message}");
    assert!(message.contains("epochs = 1"), "{message}");
}

/// A small picture of one colour.
fn picture(path: &std::path::Path, colour: [u8; 3]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::RgbImage::from_pixel(20, 20, image::Rgb(colour))
        .save(path)
        .unwrap();
}

#[test]
fn new_images_are_answered_and_new_data_is_scored() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let colours = [
        ("black", [0, 0, 0]),
        ("blue", [0, 0, 255]),
        ("green", [0, 255, 0]),
        ("red", [255, 0, 0]),
        ("white", [255, 255, 255]),
        ("yellow", [255, 255, 0]),
    ];
    for data in ["photos", "others"] {
        for (split, (class, colour)) in ["train", "test"]
            .iter()
            .flat_map(|s| colours.map(|c| (s, c)))
        {
            for number in 0..3 {
                picture(
                    &root.join(format!("{data}/{split}/{class}/{number}.png")),
                    colour,
                );
            }
        }
    }
    let procedural = TINY.find("name = \"procedural\"").unwrap()..TINY.find("[stream]").unwrap();
    let mut text = TINY.to_owned();
    text.replace_range(procedural, "name = \"image-folder\"\n\n");
    let file = root.join("photos.toml");
    std::fs::write(
        &file,
        text + "[classifier]\ndiscriminant = { kind = \"nearest-class-mean\" }\n",
    )
    .unwrap();
    let path = |name: &str| root.join(name).display().to_string();
    let (file, run) = (file.display().to_string(), path("run"));
    let output = treelora(&[
        "run",
        &file,
        "--data",
        &path("photos"),
        "--out",
        &run,
        "--quiet",
    ]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let asked = path("others/test/red");
    let output = treelora(&["predict", "--run", &run, &asked, "--json", "--top", "2"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answers: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answers.as_array().unwrap().len(), 3, "{text}");
    assert_eq!(answers[0]["classes"][0]["name"], "red", "{text}");
    assert_eq!(answers[0]["classes"].as_array().unwrap().len(), 2, "{text}");

    let scored = treelora(&["eval", "--run", &run, "--data", &path("others")]);
    assert!(
        String::from_utf8(scored.stdout)
            .unwrap()
            .contains("mean over tasks")
    );
    let missing = refused(&["predict", "--run", &run, &path("nothing.png")]);
    assert!(missing.contains("nothing.png"), "{missing}");
    std::fs::write(root.join("broken.png"), b"no picture").unwrap();
    let broken = refused(&["predict", "--run", &run, &path("broken.png")]);
    assert!(broken.contains("broken.png"), "{broken}");
    let late = refused(&["predict", "--run", &run, "--task", "9", &asked]);
    assert!(late.contains("--task"), "{late}");
    // Other classes are other tasks.
    for split in ["train", "test"] {
        std::fs::rename(
            root.join(format!("others/{split}/red")),
            root.join(format!("others/{split}/rose")),
        )
        .unwrap();
    }
    let other = refused(&["eval", "--run", &run, "--data", &path("others")]);
    assert!(other.contains("tasks of the run"), "{other}");
}

#[test]
fn a_cause_is_named_once() {
    let message = refused(&["run", "no/such/file.toml"]);
    assert_eq!(message.matches("No such file").count(), 1, "{message}");
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
        "trace-long",
        "vit",
        "ViT-B/16",
        "qwen3",
        "bwt_treelora_paper",
        "domain-incremental",
        "versatile-incremental",
        "rotated-90",
        "adamw",
        "imagenet",
        "horizontal_flip",
        "mean-shift",
        "edit-similarity",
        "  flex\n",
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

    // Plain operations round otherwise and learn the same.
    let plain = dir.path().join("plain");
    let mut words = pretrain(&[]);
    words.truncate(words.len() - 1);
    words.extend([plain.display().to_string(), "--no-fused".to_owned()]);
    assert!(run(&words).status.success());
    let weights = |model: &Path| std::fs::read(model.join("model.safetensors")).unwrap();
    assert!(weights(&out) != weights(&plain), "the same kernels");
    let (fused, plain) = (validation_loss(&out), validation_loss(&plain));
    assert!((fused - plain).abs() <= 1e-4, "{fused} and {plain}");

    let again = run(&pretrain(&[]));
    assert_eq!(
        again.status.code(),
        Some(2),
        "a finished model is not touched"
    );
}

/// Of a pre-trained model.
fn validation_loss(model: &Path) -> f64 {
    let report = std::fs::read_to_string(model.join("pretraining.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    report["validation_loss"].as_f64().unwrap()
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
