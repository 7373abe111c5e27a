//! Configurations that runs of earlier formats wrote.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use treelora_experiment::{ExperimentConfig, RunFolder};

/// What a run of format 1 left: `docs/results/quickstart/tree-lora`.
const CONFIG: &str = r#"modality = "images"
name = "quickstart"
variant = "tree-lora"
inference = "latest"

[data]
name = "procedural"
classes = 60
train_per_class = 100
test_per_class = 25
image_size = 32
noise = 0.06
seed = 0

[stream]
scenario = "class-incremental"
tasks = 5
train_per_class = 50
test_per_class = 25
subset = "file-order"

[stream.class_order]
given = [40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59]

[images]
interpolation = "bicubic"
normalization = "half"
prefetch = 1

[images.augmentation]
horizontal_flip = 0.0

[model]
preset = "tiny"
image_size = 32
patch_size = 4
width = 96
depth = 4
heads = 3
precision = "f32"

[pretraining]
classes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39]
epochs = 12
batch_size = 64
learning_rate = 0.001
weight_decay = 0.05

[training]
epochs = 4
batch_size = 32
accumulation = 1
evaluation_batch_size = 64
learning_rate = 0.003
head_learning_rate = 0.005
schedule = "cosine"
warm_up = 0.0
activations = "kept"
checkpoint_seconds = 60.0
seed = 1

[training.optimizer]
name = "adam"

[method]
choice = "tree-lcb"
granularity = "matrix"
increments = false
initialisation = "previous"
lambda = 0.5
layer_vector = "factor-a"
mode = "treelora"
name = "tree-lora"
probe_steps = 10
regulariser = "l1"
scale = "relative"
seed = 0
similarity = "negative-l1"
slow_learning = 0.1
sparsity = 0.0

[method.lora]
alpha = 4.0
dropout = 0.0
rank = 4
target_modules = ['attention\.(q|v)\.weight$']
trainable = ['^head\.']
use_rslora = false

[method.lora.alpha_pattern]

[method.lora.rank_pattern]

[classifier.discriminant]
kind = "rda"
class_share = 0.1
shrinkage = 0.1
priors = "uniform"

[classifier.transport]
kind = "linear"
ridge = 1.0

[cache]
prefix_bytes = 4294967296
"#;

const MANIFEST: &str = r#"{
  "format": 1,
  "version": "0.1.0",
  "commit": "2ec5c281e853",
  "machine": "AMD EPYC, 2 cores, linux",
  "device": "Device<Autodiff { device: Flex(Cpu), checkpointing: Disabled }>",
  "seed": 1,
  "weights_sha256": null,
  "data_sha256": null,
  "tasks": [
    "dotted triangle of hue 300 .. plain bar of hue 240",
    "ringed star of hue 240 .. dotted cross of hue 0",
    "dotted square of hue 0 .. plain ring of hue 60",
    "shaded triangle of hue 0 .. striped crescent of hue 180",
    "ringed triangle of hue 240 .. plain bar of hue 0"
  ]
}"#;

/// A folder with `config.toml`, and `manifest.json` beside it.
fn folder(config: &str, manifest: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("config.toml"), config).unwrap();
    fs::write(dir.path().join("manifest.json"), manifest).unwrap();
    let path = dir.path().to_owned();
    (dir, path)
}

fn changes(key: &str, value: &str) -> [(String, String); 1] {
    [(key.to_owned(), value.to_owned())]
}

#[test]
fn a_run_of_format_1_is_read_without_the_seed_of_its_method() {
    let (_dir, path) = folder(CONFIG, MANIFEST);
    let run = RunFolder::open(&path).unwrap();
    let config = run.config(&[]).unwrap();
    assert_eq!(config.label(), "quickstart-tree-lora");
    let now = config.to_toml().unwrap();
    let method = now.split("[method]").nth(1).unwrap();
    let method = method.split("[method.lora]").next().unwrap();
    assert!(method.contains("lambda = 0.5"), "{method}");
    assert!(!method.contains("seed"), "{method}");
    // The seeds that are read are still there, those of data and run.
    assert!(now.contains("noise = 0.06\nseed = 0"), "{now}");
    assert!(now.contains("checkpoint_seconds = 60.0\nseed = 1"), "{now}");
    // The other ways to the file.
    config
        .check_same_as(&run.config_path(), Path::new("/"))
        .unwrap();
    let again = ExperimentConfig::load(&run.config_path(), None, &[]).unwrap();
    assert_eq!(again, config);
    let more = run.config(&changes("training.epochs", "9")).unwrap();
    assert!(more.to_toml().unwrap().contains("epochs = 9"));
}

#[test]
fn everywhere_else_the_seed_of_the_method_is_a_mistake() {
    let refused = |config: Result<ExperimentConfig, _>| {
        let error: treelora_experiment::Error = config.unwrap_err();
        let message = error.to_string();
        for part in ["`method.seed`", "`training.seed`", "config.toml"] {
            assert!(message.contains(part), "{message}");
        }
    };
    // A run of today, a file without a run, a text, and what is laid over the configuration of a run of format 1.
    let (_dir, path) = folder(CONFIG, &MANIFEST.replace("\"format\": 1", "\"format\": 2"));
    refused(RunFolder::open(&path).unwrap().config(&[]));
    fs::remove_file(path.join("manifest.json")).unwrap();
    refused(ExperimentConfig::load(&path.join("config.toml"), None, &[]));
    refused(ExperimentConfig::parse(
        CONFIG,
        Path::new("config.toml"),
        None,
        &[],
    ));
    let (_dir, path) = folder(CONFIG, MANIFEST);
    let seed = changes("method.seed", "3");
    refused(RunFolder::open(&path).unwrap().config(&seed));
}

/// Every committed result can be looked at and run again.
#[test]
fn the_configurations_of_the_committed_results_are_read() {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/results");
    // The path of the weights is not committed.
    let weights = changes("model.weights", "'model'");
    let mut seen = 0;
    for series in fs::read_dir(results).unwrap() {
        let series = series.unwrap().path();
        for run in fs::read_dir(&series).into_iter().flatten() {
            let run = run.unwrap().path();
            if run.join("manifest.json").exists() {
                let folder = RunFolder::open(&run).unwrap();
                let config = folder.config(&weights).unwrap();
                let label = folder.summary().unwrap().unwrap().label;
                assert_eq!(config.label(), label, "{}", run.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 40, "{seen}");
}
