//! Runs of seconds, made as the binary makes them.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use burn::tensor::Device;
use tempfile::TempDir;
use treelora_experiment::{Event, ImageExperimentConfig, RunFolder};

const CONFIG: &str = r#"
name = "tiny"

[data]
name = "procedural"
classes = 8
train_per_class = 6
test_per_class = 4
image_size = 16

[stream]
tasks = 3
class_order = { given = [2, 3, 4, 5, 6, 7] }

[model]
preset = "tiny"
image_size = 16
patch_size = 8
width = 16
depth = 2
heads = 2

[pretraining]
classes = [0, 1]
epochs = 1
batch_size = 12
learning_rate = 1e-3
weight_decay = 0.01

[training]
epochs = 2
batch_size = 6
learning_rate = 1e-2
head_learning_rate = 1e-2
seed = 1

[method]
name = "tree-lora"

[method.lora]
rank = 2
alpha = 4.0
target_modules = ['attention\.(q|v)\.weight$']

[floors]
lda = { kind = "lda" }

[variants.plain]
method = { name = "sequential-lora", lora = { rank = 2, alpha = 4.0, target_modules = ['attention\.(q|v)\.weight$'] } }
"#;

/// Two seeds of TreeLoRA and a run without trees, finished once for all tests.
pub(crate) fn finished() -> &'static [PathBuf] {
    static RUNS: OnceLock<(TempDir, Vec<PathBuf>)> = OnceLock::new();
    let (_, runs) = RUNS.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let runs = [
            ("tree 1", None, "1"),
            ("tree 2", None, "2"),
            ("sequential", Some("plain"), "1"),
        ];
        let runs = runs.map(|(name, variant, seed)| {
            let path = dir.path().join(name);
            run(&path, variant, seed);
            path
        });
        (dir, runs.to_vec())
    });
    runs
}

/// A copy of a run, to be damaged.
pub(crate) fn copy(run: &Path) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("copy");
    copy_folder(run, &path);
    (dir, path)
}

fn run(path: &Path, variant: Option<&str>, seed: &str) {
    let seed = [("training.seed".to_owned(), seed.to_owned())];
    let config = ImageExperimentConfig::parse(CONFIG, Path::new("tiny.toml"), variant, &seed);
    let experiment = config
        .unwrap()
        .prepare(&Device::default(), &mut |_| {})
        .unwrap();
    let toml = experiment.config_toml().unwrap();
    let folder = RunFolder::create(path, &toml, &experiment.manifest()).unwrap();
    let mut log = File::create(path.join("log.jsonl")).unwrap();
    let mut on_event = |event: &Event| {
        writeln!(log, "{}", serde_json::to_string(event).unwrap()).unwrap();
    };
    experiment.run(&folder, &mut on_event).unwrap();
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => {
                std::fs::copy(entry.path(), &target).unwrap();
            }
        }
    }
}
