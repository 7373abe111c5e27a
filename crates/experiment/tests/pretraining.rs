//! Models from scratch on tiny data, in seconds: they learn, load, and come out the same again.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use burn::tensor::Device;
use tempfile::TempDir;
use treelora_cl_bench::text::Tokenizer;
use treelora_core::read_json;
use treelora_experiment::{
    Error, Event, ImageExperimentConfig, PretrainingFile, PretrainingReport, RunFolder,
};
use treelora_models::decoder::{Decoder, DecoderConfig, TokenGrid};

const TEXT: &str = r#"
modality = "text"
name = "tiny"

[data]
files = ["stories"]
tasks = [{ name = "folder", path = "tasks" }]

[tokenizer]
kind = "byte-pairs"
vocabulary = 300

[model]
hidden_size = 32
num_hidden_layers = 2
num_attention_heads = 4
num_key_value_heads = 2
max_position_embeddings = 24

[training]
epochs = 40
batch_size = 4
learning_rate = 5e-3
held_out = 0.1
seed = 5
"#;

/// Keys and values laid over a configuration.
type Changes<'a> = &'a [(&'a str, &'a str)];

/// A word that only the test split has.
const MARKER: &str = "zzxqzzxq";

fn write(root: &Path, name: &str, content: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn corpus() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    write(
        root.path(),
        "stories/a.txt",
        &"the cat sat on the mat. ".repeat(20),
    );
    write(
        root.path(),
        "stories/deep/b.txt",
        &"the dog ran to the cat. ".repeat(20),
    );
    write(root.path(), "stories/ignored.md", "not a text file");
    let records: Vec<String> = (0..20)
        .map(|i| format!(r#"{{ "prompt": "who sat on mat {i}? ", "answer": "the cat" }}"#))
        .collect();
    let train = format!("[{}]", records.join(","));
    write(root.path(), "tasks/cats/train.json", &train);
    // Not even JSON: reading it would be an error.
    write(root.path(), "tasks/cats/test.json", &MARKER.repeat(50));
    root
}

fn file(data: &Path, changes: Changes<'_>) -> Result<PretrainingFile, Error> {
    let mut all = vec![("data.path".to_owned(), format!("'{}'", data.display()))];
    let changes = changes.iter();
    all.extend(changes.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    PretrainingFile::parse(TEXT, "tiny.toml".as_ref(), &all)
}

fn pretrain(
    data: &Path,
    changes: Changes<'_>,
    out: &Path,
) -> Result<(PretrainingReport, Vec<f64>), Error> {
    let mut losses = Vec::new();
    let pretraining = file(data, changes)?.prepare()?;
    let report = pretraining.run(out, &Device::flex(), &mut |event| {
        if let Event::Step { loss, .. } = event {
            losses.push(*loss);
        }
    })?;
    Ok((report, losses))
}

fn refused(data: &Path, changes: Changes<'_>) -> String {
    let out = tempfile::tempdir().unwrap();
    let error = pretrain(data, changes, out.path()).map(|(report, _)| report);
    error.unwrap_err().to_string()
}

#[test]
fn a_decoder_learns_its_texts_and_its_folder_loads() {
    let (data, out) = (corpus(), tempfile::tempdir().unwrap());
    let (report, losses) = pretrain(data.path(), &[], out.path()).unwrap();
    let first = losses[0];
    assert!(
        (first - 300_f64.ln()).abs() < 0.3,
        "an untrained model guesses: {first}"
    );
    assert!(report.training_loss < 0.2 * first, "{first} {report:?}");
    let validation = report.validation_loss.unwrap();
    assert!(validation < 0.5 * first, "{first} {report:?}");
    assert_eq!(report.steps, losses.len());
    assert_eq!(report.data["documents"], 22);

    let model = Decoder::load(out.path(), &Device::flex()).unwrap();
    let tokenizer = Tokenizer::load(out.path()).unwrap();
    let config = DecoderConfig::load(out.path()).unwrap();
    assert_eq!(config.vocab_size, tokenizer.vocabulary());
    tokenizer
        .check_model(config.vocab_size, &config.eos_token_ids)
        .unwrap();
    // Written in the language of the corpus: after "the cat" comes a story, not a test.
    let mut ids = tokenizer.encode_with_special("the cat").unwrap();
    for _ in 0..8 {
        let logits = model.forward(&TokenGrid::right_padded(&[&ids, &ids]));
        let [_, positions, _] = logits.dims();
        let last = logits.slice([0..1, positions - 1..positions]).argmax(2);
        ids.push(last.into_scalar::<i64>() as u32);
    }
    let text = tokenizer.decode(&ids).unwrap();
    assert!(
        text.starts_with("the cat sat") || text.contains("the mat"),
        "{text}"
    );
    let stored: PretrainingReport = read_json(&out.path().join("pretraining.json")).unwrap();
    assert_eq!(stored, report);
    assert!(out.path().join("generation_config.json").exists());
}

#[test]
fn equal_seeds_give_equal_files_and_the_test_split_has_no_part_in_them() {
    let (data, folders) = (corpus(), [(); 3].map(|()| tempfile::tempdir().unwrap()));
    let short = ("training.steps", "3");
    pretrain(data.path(), &[short], folders[0].path()).unwrap();
    fs::remove_file(data.path().join("tasks/cats/test.json")).unwrap();
    pretrain(data.path(), &[short], folders[1].path()).unwrap();
    let bytes = |folder: &TempDir, name: &str| fs::read(folder.path().join(name)).unwrap();
    for name in [
        "model.safetensors",
        "tokenizer.json",
        "config.json",
        "pretraining.json",
    ] {
        let [one, other] = [0, 1].map(|index| bytes(&folders[index], name));
        assert!(one == other, "{name} differs");
    }
    let vocabulary = String::from_utf8(bytes(&folders[0], "tokenizer.json")).unwrap();
    assert!(!vocabulary.contains("zzx"), "the test split was read");

    let other_seed = [short, ("training.seed", "6")];
    pretrain(data.path(), &other_seed, folders[2].path()).unwrap();
    let [one, other] = [0, 2].map(|index| bytes(&folders[index], "model.safetensors"));
    assert!(one != other, "another seed gave the same weights");
}

#[test]
fn steps_may_end_in_the_middle_of_a_pass_and_another_tokenizer_may_be_used() {
    let (data, [first, second]) = (corpus(), [(); 2].map(|()| tempfile::tempdir().unwrap()));
    let (report, losses) = pretrain(data.path(), &[("training.steps", "2")], first.path()).unwrap();
    assert_eq!((report.steps, losses.len()), (2, 2));
    assert!(report.validation_loss.is_some());

    let tokenizer = format!("{{ kind = 'folder', path = '{}' }}", first.path().display());
    let changes = [
        ("tokenizer", tokenizer.as_str()),
        ("training.steps", "1"),
        ("training.held_out", "0"),
        ("data.tasks", "[]"),
    ];
    let (report, _) = pretrain(data.path(), &changes, second.path()).unwrap();
    assert_eq!(report.validation_loss, None);
    assert_eq!(report.data["documents"], 2);
    let read = |folder: &TempDir| fs::read(folder.path().join("tokenizer.json")).unwrap();
    assert!(read(&first) == read(&second));
    Decoder::load(second.path(), &Device::flex()).unwrap();
}

#[test]
fn bad_input_is_named() {
    let data = corpus();
    let cases: [(Changes<'_>, &[&str]); 12] = [
        (
            &[("data.files", "[]"), ("data.tasks", "[]")],
            &["data.files", "no text"],
        ),
        (&[("data.files", "['tasks']")], &["tasks", ".txt"]),
        (&[("data.files", "['no-such.txt']")], &["no-such.txt"]),
        (&[("data.surprise", "1")], &["surprise"]),
        (
            &[("tokenizer.vocabulary", "200")],
            &["tokenizer.vocabulary", "200", "259"],
        ),
        (
            &[("model.hidden_size", "30")],
            &["model.hidden_size", "30", "4"],
        ),
        (
            &[("model.num_key_value_heads", "3")],
            &["model.num_attention_heads", "3"],
        ),
        (
            &[("model.max_position_embeddings", "1")],
            &["max_position_embeddings"],
        ),
        (&[("training.held_out", "1.0")], &["training.held_out"]),
        (
            &[("training.held_out", "0.999")],
            &["training.held_out", "nothing is left"],
        ),
        (&[("training.steps", "0")], &["training.steps"]),
        (
            &[(
                "data.tasks",
                "[{ name = 'folder', path = 'tasks', train_per_task = 0 }]",
            )],
            &["data.tasks[0].train_per_task"],
        ),
    ];
    for (changes, named) in cases {
        let message = refused(data.path(), changes);
        for part in named {
            assert!(message.contains(part), "{changes:?}: {message}");
        }
    }
    fs::write(data.path().join("stories/a.txt"), [0xff, 0xfe, 0x00]).unwrap();
    let message = refused(data.path(), &[]);
    assert!(
        message.contains("a.txt") && message.contains("UTF-8"),
        "{message}"
    );
}

#[test]
fn a_loss_that_is_not_finite_ends_the_training_with_its_step() {
    let (data, out) = (corpus(), tempfile::tempdir().unwrap());
    let changes = [
        ("training.learning_rate", "1e30"),
        ("training.warm_up", "0"),
    ];
    match pretrain(data.path(), &changes, out.path()) {
        Err(Error::Diverged { step, .. }) => assert!(step.step > 0, "{step:?}"),
        other => panic!("{other:?}"),
    }
    assert!(!out.path().join("pretraining.json").exists());
}

const IMAGES: &str = r#"
name = "tiny-images"
data = { name = "procedural", classes = 6, train_per_class = 8, test_per_class = 4, image_size = 16 }
stream = { tasks = 2, class_order = { given = [2, 3, 4, 5] } }
model = { preset = "tiny", image_size = 16, patch_size = 8, width = 16, depth = 2, heads = 2 }
pretraining = { classes = [0, 1], epochs = 3, batch_size = 8, learning_rate = 1e-3, weight_decay = 0.01 }
training = { epochs = 1, batch_size = 8, seed = 3 }
method = { name = "sequential-lora", lora = { rank = 2, alpha = 4.0, target_modules = ['attention\.(q|v)\.weight$'] } }
"#;

#[test]
fn a_run_with_the_written_vision_transformer_is_the_run_that_makes_its_own() {
    let (out, runs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let device = Device::flex();
    let file = PretrainingFile::parse(IMAGES, "images.toml".as_ref(), &[]).unwrap();
    assert_eq!(file.model_name(), "tiny-images-3");
    let pretraining = file.prepare().unwrap();
    let report = pretraining.run(out.path(), &device, &mut |_| ()).unwrap();
    assert_eq!(report.steps, 6);
    assert_eq!(report.data["base_classes"], 2);
    assert!(out.path().join("config.json").exists());

    let weights = format!("'{}'", out.path().join("model.safetensors").display());
    let given = [("model.weights".to_owned(), weights)];
    let adapters = [&[][..], &given[..]].map(|changes| {
        let path = "images.toml".as_ref();
        let config = ImageExperimentConfig::parse(IMAGES, path, None, changes).unwrap();
        let experiment = config.prepare(&device, &mut |_| ()).unwrap();
        let folder = runs.path().join(changes.len().to_string());
        let toml = experiment.config_toml().unwrap();
        let folder = RunFolder::create(&folder, &toml, &experiment.manifest()).unwrap();
        experiment.run(&folder, &mut |_| ()).unwrap();
        // The adapters after the last task: every step led to the same numbers.
        fs::read(folder.path().join("tasks/01/adapter.safetensors")).unwrap()
    });
    assert!(adapters[0] == adapters[1]);
}

#[test]
fn an_experiment_without_pretraining_is_refused() {
    let weights = [("model.weights".to_owned(), "'w.safetensors'".to_owned())];
    let text: String = IMAGES
        .lines()
        .filter(|line| !line.starts_with("pretraining"))
        .map(|line| format!("{line}\n"))
        .collect();
    let file = PretrainingFile::parse(&text, "images.toml".as_ref(), &weights).unwrap();
    let error = file.prepare().err().unwrap().to_string();
    assert!(error.contains("[pretraining]"), "{error}");
}
