//! The binary in a folder, and small files for it.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

/// Sizes of the vision transformer that [`vision_weights`] makes, as settings.
pub(crate) const SHAPE: [&str; 3] = ["model.image_size=32", "model.width=16", "model.heads=2"];

/// `treelora` with these arguments, started in `folder`.
pub(crate) fn treelora(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_treelora"))
        .current_dir(folder)
        .args(arguments)
        .env("BURN_DEVICE", "flex")
        .output()
        .unwrap()
}

/// What it prints; it must succeed.
pub(crate) fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = treelora(folder, arguments);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {message}");
    String::from_utf8(output.stdout).unwrap()
}

/// What it complains of; it must refuse with exit code 2.
pub(crate) fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = treelora(folder, arguments);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
    assert!(!message.contains("panicked"), "{message}");
    message
}

/// A picture of one colour, in the format of its ending.
pub(crate) fn picture(path: &Path, colour: [u8; 3]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::RgbImage::from_pixel(20, 20, image::Rgb(colour))
        .save(path)
        .unwrap();
}

const BASE: &str = r#"
name = "base"
data = { name = "procedural", classes = 2, train_per_class = 2, test_per_class = 1, image_size = 32 }
stream = { tasks = 1 }
model = { preset = "tiny" }
pretraining = { classes = [0, 1], epochs = 1, batch_size = 4, learning_rate = 1e-3, weight_decay = 0.0 }
method = { name = "tree-lora" }
"#;

/// `model.safetensors` in `folder`: the vision transformer `tiny` of another [`SHAPE`].
pub(crate) fn vision_weights(folder: &Path) {
    fs::write(folder.join("base.toml"), BASE).unwrap();
    let mut arguments = vec!["pretrain", "base.toml", "--quiet", "--out", "base"];
    arguments.extend(SHAPE.iter().flat_map(|set| ["--set", set]));
    done(folder, &arguments);
    fs::copy(
        folder.join("base/model.safetensors"),
        folder.join("model.safetensors"),
    )
    .unwrap();
}

/// `model` in `folder`: a decoder and its tokenizer.
pub(crate) fn decoder(folder: &Path) {
    fs::write(
        folder.join("story.txt"),
        "once there was a cat. ".repeat(60),
    )
    .unwrap();
    let config = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../configs/pretrain-text-small.toml"
    );
    let mut arguments = vec!["pretrain", config, "--quiet", "--out", "model"];
    let sets = [
        "data.tasks=[]",
        "data.files=['story.txt']",
        "tokenizer.vocabulary=280",
        "model.hidden_size=24",
        "model.intermediate_size=32",
        "model.num_hidden_layers=1",
        "model.max_position_embeddings=64",
        "training.steps=2",
        "training.batch_size=2",
        "training.held_out=0",
    ];
    arguments.extend(sets.iter().flat_map(|set| ["--set", set]));
    done(folder, &arguments);
}
