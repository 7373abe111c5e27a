//! What is wrong is said where it is, and once.
#![allow(clippy::unwrap_used)]

mod tiny;

use std::fs;

use tiny::{done, refused};

const FILE: &str = r#"name = "tiny"

[data]
name = "procedural"

[stream]
tasks = 2

[model]
preset = "tiny"

[pretraining]
classes = [0, 1]
epochs = 1
batch_size = 8
learning_rate = 1e-3
weight_decay = 0.0

[method]
name = "tree-lora"
lora = { rank = 2 }

[variants.flat]
method = { choice = "flat" }

[variants.none]
method = { lora = { rank = 0 } }
"#;

#[test]
fn a_wrong_setting_is_shown_where_it_was_said() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let mistaken = FILE.replace("weight_decay", "weight_decays");
    let many = FILE.replace("tasks = 2", "tasks = 61");
    let out_of_range = FILE.replace("lora = { rank = 2 }", "lora = { rank = 0 }");
    for (name, text) in [
        ("good.toml", FILE),
        ("mistaken.toml", mistaken.as_str()),
        ("range.toml", out_of_range.as_str()),
        ("many.toml", many.as_str()),
    ] {
        fs::write(root.join(name), text).unwrap();
    }
    let cases: [(&[&str], &[&str]); 13] = [
        (
            &["run", "mistaken.toml"],
            &["mistaken.toml: line 17: unknown field `weight_decays`"],
        ),
        (
            &["run", "range.toml"],
            &[
                "range.toml: line 21: setting `method.lora.rank`",
                "21 | lora =",
            ],
        ),
        (
            &["pretrain", "mistaken.toml"],
            &["mistaken.toml: line 17: unknown field `weight_decays`"],
        ),
        (
            &["run", "good.toml", "--set", "training.epochs=x"],
            &["good.toml: --set training.epochs=x: invalid type"],
        ),
        (
            &["run", "good.toml", "--set", "method.surprise=1"],
            &["good.toml: --set method.surprise=1: unknown field `surprise`"],
        ),
        (
            &["run", "good.toml", "--set", "method.lora.rank=0"],
            &["good.toml: --set method.lora.rank=0: setting `method.lora.rank`"],
        ),
        (
            &["run", "good.toml", "--method", "flat"],
            &["good.toml: line 24: unknown variant `flat`"],
        ),
        (
            &["compare", "good.toml", "--methods", "tree-lora,none"],
            &["good.toml: line 27: setting `method.lora.rank`"],
        ),
        (
            &[
                "compare",
                "good.toml",
                "--methods",
                "flat,none",
                "--set",
                "method.choice=flats",
            ],
            &["good.toml: --set method.choice=flats: unknown variant `flats`"],
        ),
        (
            &["run", "good.toml", "--data", "photos"],
            &["good.toml: --data", "photos", "`path`"],
        ),
        // What shows when data and model are there.
        (
            &["run", "many.toml"],
            &["many.toml: line 7: setting `stream.tasks`: 61 tasks"],
        ),
        (
            &[
                "floors",
                "good.toml",
                "--set",
                "stream.tasks=7",
                "--set",
                "data.classes=6",
            ],
            &["good.toml: --set stream.tasks=7: setting `stream.tasks`"],
        ),
        (
            &["compare", "many.toml", "--methods", "tree-lora,none"],
            &["many.toml: line 27: setting `method.lora.rank`"],
        ),
    ];
    for (arguments, said) in cases {
        let message = refused(root, arguments);
        for said in said {
            assert!(message.contains(said), "{arguments:?}: {message}");
        }
        // The line that is shown is the file's own.
        if let Some((_, rest)) = message.split_once(": line ") {
            let file = fs::read_to_string(root.join(arguments[1])).unwrap();
            let number: usize = rest.split(':').next().unwrap().parse().unwrap();
            let line = file.lines().nth(number - 1).unwrap();
            assert!(
                message.contains(&format!("\n{number} | {line}\n")),
                "{message}"
            );
        }
    }
}

#[test]
fn a_folder_that_is_no_run_is_called_so() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir(root.join("empty")).unwrap();
    fs::write(root.join("file"), "").unwrap();
    for command in [
        &["report"][..],
        &["resume"],
        &["eval", "--run"],
        &["predict", "x.png", "--run"],
        &["export", "--task", "0", "--out", "o", "--run"],
    ] {
        fs::write(root.join("x.png"), "").unwrap();
        for (folder, said) in [
            ("nowhere", "nowhere: there is no such folder"),
            ("empty", "empty: no folder of a run"),
            ("file", "file: a file, not the folder of a run"),
        ] {
            let message = refused(root, &[command, &[folder]].concat());
            assert!(message.contains(said), "{message}");
        }
    }
}

#[test]
fn no_message_names_a_path_twice() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    tiny::decoder(root);
    fs::create_dir_all(root.join("adapter")).unwrap();
    fs::write(root.join("adapter/adapter_config.json"), "{").unwrap();
    fs::write(root.join("c.toml"), FILE).unwrap();
    let small = [
        "model.depth=1",
        "model.width=16",
        "model.heads=2",
        "model.image_size=32",
    ];
    let mut run = vec!["run", "c.toml", "--quiet", "--out", "run"];
    run.extend(
        [
            "data.classes=4",
            "data.train_per_class=2",
            "data.test_per_class=1",
        ]
        .iter()
        .chain(&small)
        .flat_map(|set| ["--set", set]),
    );
    done(root, &run);
    let adapter = root.join("run/tasks/01/adapter.safetensors");
    fs::write(&adapter, b"no tensors").unwrap();
    let cases: [(&[&str], &str, &str); 6] = [
        (
            &["generate", "--model", "nowhere", "--prompt", "x"],
            "nowhere",
            "nowhere",
        ),
        (
            &[
                "generate",
                "--model",
                "model",
                "--adapter",
                "adapter",
                "--prompt",
                "x",
            ],
            "adapter/",
            "adapter_config.json",
        ),
        (
            &[
                "generate",
                "--model",
                "model",
                "--adapter",
                "nowhere",
                "--prompt",
                "x",
            ],
            "nowhere",
            "nowhere",
        ),
        (
            &["export", "--run", "run", "--task", "1", "--out", "out"],
            "run/",
            "adapter.safetensors",
        ),
        (
            &["export", "--run", "run", "--task", "7", "--out", "out"],
            "run/",
            "tasks/07",
        ),
        (&["run", "nowhere.toml"], "nowhere.toml", "nowhere.toml"),
    ];
    for (arguments, folder, named) in cases {
        let message = refused(root, arguments);
        for name in [folder, named] {
            assert_eq!(message.matches(name).count(), 1, "{arguments:?}: {message}");
        }
    }
}

#[test]
fn a_reader_that_has_gone_away_is_no_panic() {
    let status = |arguments: &[&str]| {
        let [out, err] = [(); 2].map(|()| std::io::pipe().unwrap().1);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_treelora"));
        command.args(arguments).stdout(out).stderr(err);
        command.status().unwrap().code()
    };
    assert_eq!(status(&["list"]), Some(0));
    assert_eq!(status(&["report", "/nowhere"]), Some(2));
}
