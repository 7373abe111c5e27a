//! The same seed gives the same files with one thread and with several.
#![allow(clippy::unwrap_used)]

#[path = "../../experiment/tests/files/mod.rs"]
mod files;

use std::{fs, path::Path, process::Command};

/// Large enough for products and attention to be shared out among threads.
const CONFIG: &str = r#"
name = "threads"
data = { name = "procedural", classes = 6, train_per_class = 12, test_per_class = 4, image_size = 64 }
stream = { tasks = 2, class_order = { given = [2, 3, 4, 5] } }
model = { preset = "tiny", image_size = 64, patch_size = 8, width = 96, depth = 2, heads = 3 }
pretraining = { classes = [0, 1], epochs = 1, batch_size = 16, learning_rate = 1e-3, weight_decay = 0.01 }
training = { epochs = 2, batch_size = 12, learning_rate = 1e-2, seed = 3 }

[method]
name = "tree-lora"
lora = { rank = 4, alpha = 4.0, dropout = 0.1, target_modules = ['attention\.(q|v)\.weight$'] }

[classifier]
discriminant = { kind = "rda" }
transport = { kind = "linear" }

[variants.hide-lora]
classifier = false
method = { name = "hide-lora", lora = { rank = 4, alpha = 4.0, target_modules = ['attention\.(q|v)\.weight$'] } }
"#;

fn run(config: &Path, method: &str, threads: usize) -> std::path::PathBuf {
    let out = config.with_file_name(format!("{method}-{threads}"));
    let status = Command::new(env!("CARGO_BIN_EXE_treelora"))
        .arg("run")
        .arg(config)
        .args(["--quiet", "--method", method, "--out"])
        .arg(&out)
        .env("BURN_DEVICE", "flex")
        .env("RAYON_NUM_THREADS", threads.to_string())
        .output()
        .unwrap();
    assert!(
        status.status.success(),
        "{}",
        String::from_utf8_lossy(&status.stderr)
    );
    out
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("threads.toml");
    fs::write(&config, CONFIG).unwrap();
    for method in ["tree-lora", "hide-lora"] {
        let one = files::of_result(&run(&config, method, 1));
        for threads in [2, 3] {
            let several = files::of_result(&run(&config, method, threads));
            assert!(one == several, "{method} with {threads} threads");
        }
    }
}
