//! A run is found again, wherever its folder, its data, its weights and the user are.
#![allow(clippy::unwrap_used)]

mod tiny;

use std::{fs, path::Path};

use tiny::{SHAPE, decoder, done, picture, refused, treelora, vision_weights};

const IMAGES: &str = r#"
name = "colours"
data = { name = "image-folder" }
stream = { tasks = 2 }
model = { preset = "tiny" }
training = { epochs = 1, batch_size = 4 }
method = { name = "tree-lora", lora = { rank = 2, alpha = 2.0, target_modules = ['attention\.q\.weight$'] } }
classifier = { discriminant = { kind = "nearest-class-mean" } }
"#;

const TEXT: &str = r#"
modality = "text"
name = "words"
data = { name = "folder" }
training = { epochs = 1, batch_size = 2 }
generation = { max_new_tokens = 2 }
method = { name = "tree-lora", lora = { rank = 2, alpha = 2.0, target_modules = ['q_proj\.weight$'] } }
"#;

fn photos(root: &Path) {
    let colours = [
        ("black", [0, 0, 0]),
        ("blue", [0, 0, 255]),
        ("green", [0, 255, 0]),
        ("red", [255, 0, 0]),
    ];
    for (class, colour) in colours {
        for split in ["train", "test"] {
            for number in 0..2 {
                picture(&root.join(format!("{split}/{class}/{number}.png")), colour);
            }
        }
    }
}

fn move_to(root: &Path, from: &str, to: &str) {
    fs::create_dir_all(root.join(to).parent().unwrap()).unwrap();
    fs::rename(root.join(from), root.join(to)).unwrap();
}

#[test]
fn a_run_on_images_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(dir.path()).unwrap();
    let root = root.as_path();
    vision_weights(root);
    photos(&root.join("photos"));
    fs::create_dir_all(root.join("here")).unwrap();
    fs::write(root.join("c.toml"), IMAGES).unwrap();
    let mut run = vec!["run", "../c.toml", "--data", "../photos", "--quiet"];
    run.extend(["--weights", "../model.safetensors", "--out", "../run"]);
    run.extend(SHAPE.iter().flat_map(|set| ["--set", set]));
    done(&root.join("here"), &run);
    fs::remove_dir(root.join("here")).unwrap();
    let config = fs::read_to_string(root.join("run/config.toml")).unwrap();
    for path in ["photos", "model.safetensors"] {
        let whole = format!("{:?}", root.join(path));
        assert!(config.contains(&whole), "{whole}: {config}");
    }

    let scores = done(root, &["eval", "--run", "run"]);
    move_to(root, "run", "moved/r");
    assert_eq!(done(root, &["eval", "--run", "moved/r"]), scores);
    done(root, &["resume", "moved/r"]);
    let ask = ["predict", "--run", "r", "../photos/test/red/0.png"];
    let answer = done(&root.join("moved"), &ask);
    assert!(answer.contains(": red ("), "{answer}");

    // Without the training pictures.
    picture(&root.join("new.png"), [255, 0, 0]);
    move_to(root, "photos", "elsewhere/photos");
    let ask = ["predict", "--run", "moved/r", "new.png"];
    assert_eq!(
        done(root, &ask).replace("new.png", ""),
        answer.replace(ask_path(), "")
    );
    for command in [&["eval", "--run", "moved/r"][..], &["resume", "moved/r"]] {
        let message = refused(root, command);
        let folder = root.join("photos").display().to_string();
        assert!(
            message.contains(&folder) && message.contains("--data"),
            "{message}"
        );
        let data = [command, &["--data", "elsewhere/photos"]].concat();
        done(root, &data);
    }
    let told = treelora(
        root,
        &["eval", "--run", "moved/r", "--data", "elsewhere/photos"],
    );
    assert_eq!(told.stderr, b"", "the same data");

    // Without the weights where they were.
    move_to(root, "model.safetensors", "elsewhere/w.safetensors");
    let message = refused(root, &ask);
    assert!(message.contains("--weights"), "{message}");
    let weights = [&ask[..], &["--weights", "elsewhere/w.safetensors"]].concat();
    done(root, &weights);
    // Other weights are refused by all.
    let mut other = fs::read(root.join("elsewhere/w.safetensors")).unwrap();
    *other.last_mut().unwrap() ^= 1;
    fs::write(root.join("elsewhere/w.safetensors"), other).unwrap();
    let data = [
        "--data",
        "elsewhere/photos",
        "--weights",
        "elsewhere/w.safetensors",
    ];
    let eval = [&["eval", "--run", "moved/r"][..], &data].concat();
    let resume = [&["resume", "moved/r"][..], &data].concat();
    for command in [weights, eval, resume] {
        let message = refused(root, &command);
        assert!(message.contains("SHA-256 of the weights"), "{message}");
    }
}

fn ask_path() -> &'static str {
    "../photos/test/red/0.png"
}

#[test]
fn other_data_are_named_and_other_classes_refused() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    vision_weights(root);
    photos(&root.join("photos"));
    fs::write(root.join("c.toml"), IMAGES).unwrap();
    let mut run = vec![
        "run", "c.toml", "--data", "photos", "--quiet", "--out", "run",
    ];
    run.extend(["--weights", "model.safetensors"]);
    run.extend(SHAPE.iter().flat_map(|set| ["--set", set]));
    done(root, &run);
    photos(&root.join("others"));
    picture(&root.join("others/test/red/new.png"), [250, 0, 0]);
    let others = treelora(root, &["eval", "--run", "run", "--data", "others"]);
    let said = String::from_utf8(others.stderr).unwrap();
    assert!(
        others.status.success() && said.contains("other examples"),
        "{said}"
    );
    let message = refused(root, &["resume", "run", "--data", "others"]);
    assert!(message.contains("SHA-256 of the data"), "{message}");
    // The run's own, changed since.
    picture(&root.join("photos/train/red/new.png"), [250, 0, 0]);
    for command in [&["eval", "--run", "run"][..], &["resume", "run"]] {
        let message = refused(root, command);
        assert!(message.contains("SHA-256 of the data"), "{message}");
    }

    // A run of an earlier version has not kept its classes: they are those of its data.
    let ask = ["predict", "--run", "run", "others/test/red/0.png"];
    let answer = done(root, &ask);
    fs::remove_file(root.join("run/classes.json")).unwrap();
    let message = refused(root, &ask);
    assert!(message.contains("SHA-256 of the data"), "{message}");
    fs::remove_file(root.join("photos/train/red/new.png")).unwrap();
    assert_eq!(done(root, &ask), answer);
}

#[test]
fn a_run_on_text_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    decoder(root);
    for task in ["a", "b"] {
        let folder = root.join("tasks").join(task);
        fs::create_dir_all(&folder).unwrap();
        for split in ["train", "test"] {
            let records = format!(r#"[{{"prompt": "{task} cat", "answer": "was"}}]"#);
            fs::write(folder.join(format!("{split}.json")), records).unwrap();
        }
    }
    fs::create_dir_all(root.join("here")).unwrap();
    fs::write(root.join("t.toml"), TEXT).unwrap();
    let mut run = vec!["run", "../t.toml", "--data", "../tasks", "--quiet"];
    run.extend(["--weights", "../model", "--out", "../run"]);
    done(&root.join("here"), &run);
    let scores = done(root, &["eval", "--run", "run"]);
    move_to(root, "tasks", "elsewhere/tasks");
    move_to(root, "model", "elsewhere/model");
    let eval = ["eval", "--run", "../run", "--data", "tasks"];
    let message = refused(&root.join("elsewhere"), &eval);
    assert!(message.contains("--weights"), "{message}");
    let places = ["--data", "tasks", "--weights", "model"];
    let eval = [&["eval", "--run", "../run"][..], &places].concat();
    assert_eq!(done(&root.join("elsewhere"), &eval), scores);
    let resume = [&["resume", "../run"][..], &places].concat();
    done(&root.join("elsewhere"), &resume);
}

#[test]
fn runs_that_are_compared_may_be_named_from_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    vision_weights(root);
    photos(&root.join("photos"));
    fs::create_dir_all(root.join("here")).unwrap();
    fs::write(root.join("c.toml"), IMAGES).unwrap();
    let compare = |from: &str, data: &str, weights: &str, out: &str| {
        let mut arguments = vec!["compare", "--methods", "tree-lora", "--quiet", "--out", out];
        let config = if from.is_empty() {
            "c.toml"
        } else {
            "../c.toml"
        };
        arguments.extend([config, "--data", data, "--weights", weights]);
        arguments.extend(SHAPE.iter().flat_map(|set| ["--set", set]));
        done(&root.join(from), &arguments);
    };
    compare("", "photos", "model.safetensors", "runs");
    let log = fs::read(root.join("runs/tree-lora-1/log.jsonl")).unwrap();
    // It is finished, and read.
    compare("here", "../photos", "../model.safetensors", "../runs");
    assert_eq!(
        fs::read(root.join("runs/tree-lora-1/log.jsonl")).unwrap(),
        log
    );
}
