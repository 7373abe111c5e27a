//! Whole experiments with a model of every family, in seconds.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use burn::tensor::Device;
use toml::{Table, Value};
use treelora_experiment::{
    Error, Event, ExperimentConfig, ImageExperimentConfig, ModelConfig, Precision,
    PredictionRequest, PretrainingFile, RunFolder, RunSummary, image_files,
};
use treelora_models::vision::VisionFamily;

const CONFIG: &str = r#"
name = "family"
data = { name = "procedural", classes = 8, train_per_class = 8, test_per_class = 4, image_size = 16 }
stream = { tasks = 3, class_order = { given = [2, 3, 4, 5, 6, 7] } }
pretraining = { classes = [0, 1], epochs = 1, batch_size = 8, learning_rate = 1e-3, weight_decay = 0.01 }
training = { epochs = 2, batch_size = 8, learning_rate = 1e-2, head_learning_rate = 1e-2, seed = 3 }
floors = { lda = { kind = "lda" } }
method = { name = "tree-lora" }
"#;

/// The file with the model and adapters of a family, and other settings laid over it.
fn file(family: &VisionFamily, method: &str, changes: &[(&str, &str)]) -> String {
    let model = ModelConfig {
        family: family.clone(),
        weights: None,
        precision: Precision::F32,
    };
    let adapters = [("rank", Value::from(2)), ("alpha", Value::from(4.0))];
    let mut lora: Table = adapters
        .map(|(key, value)| (key.into(), value))
        .into_iter()
        .collect();
    lora.insert("target_modules".into(), vec![family.adapted()].into());
    let mut table: Table = toml::from_str(CONFIG).unwrap();
    let mut of_method = Table::new();
    of_method.insert("name".into(), method.into());
    of_method.insert("lora".into(), lora.into());
    table.insert("method".into(), of_method.into());
    table.insert("model".into(), Table::try_from(model).unwrap().into());
    for (key, value) in changes {
        let (of, key) = key.split_once('.').unwrap();
        let of = table.entry(of).or_insert_with(|| Table::new().into());
        let value: Table = toml::from_str(&format!("value = {value}")).unwrap();
        of.as_table_mut()
            .unwrap()
            .insert(key.into(), value["value"].clone());
    }
    toml::to_string(&table).unwrap()
}

fn config(
    family: &VisionFamily,
    method: &str,
    changes: &[(&str, &str)],
) -> Result<ImageExperimentConfig, Error> {
    let text = file(family, method, changes);
    ImageExperimentConfig::parse(&text, Path::new("family.toml"), None, &[])
}

/// A finished run, and for how many images something was computed once.
fn run(config: ImageExperimentConfig, path: &Path) -> (RunSummary, usize) {
    let mut once = 0;
    let config = ExperimentConfig::Images(Box::new(config));
    let experiment = config.prepare(&Device::default(), &mut |event| {
        if let Event::Prefix { images } = event {
            once += images;
        }
    });
    let experiment = experiment.unwrap();
    let toml = experiment.config_toml().unwrap();
    let folder = RunFolder::create(path, &toml, &experiment.manifest()).unwrap();
    (experiment.run(&folder, &mut |_| {}).unwrap(), once)
}

#[test]
fn every_family_learns_a_stream_with_and_without_the_cache() {
    for family in VisionFamily::smallest() {
        for method in ["tree-lora", "ewc"] {
            let name = family.name();
            let dir = tempfile::tempdir().unwrap();
            let [cached, plain] = ["4000000000", "0"].map(|bytes| {
                let changes = [("cache.prefix_bytes", bytes)];
                let config = config(&family, method, &changes).unwrap();
                run(config, &dir.path().join(bytes))
            });
            let what = format!("{method} on {name}");
            assert!(
                cached.1 > 0 && plain.1 == 0,
                "{what}: {} {}",
                cached.1,
                plain.1
            );
            assert_eq!(cached.0.matrix.tasks(), 3, "{what}");
            assert_eq!(cached.0.matrix, plain.0.matrix, "{what}");
            assert!(cached.0.floors.contains_key("lda"), "{what}");
            // The last adapter of the cached run is that of the other, bit for bit on the CPU.
            let [ours, theirs] = ["4000000000", "0"].map(|bytes| {
                std::fs::read(dir.path().join(bytes).join("tasks/02/adapter.safetensors")).unwrap()
            });
            assert!(
                Device::default() != Device::flex() || ours == theirs,
                "{what}"
            );
        }
    }
}

#[test]
fn a_finished_run_of_every_family_is_read_back_scores_the_same_and_answers() {
    for family in VisionFamily::smallest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        let (summary, _) = run(config(&family, "sequential-lora", &[]).unwrap(), &path);
        let folder = RunFolder::open(&path).unwrap();
        let ExperimentConfig::Images(config) =
            ExperimentConfig::load(&folder.config_path(), None, &[]).unwrap()
        else {
            panic!("an experiment on images");
        };
        assert_eq!(config.model.family, family);
        let prepared = config.clone().prepare(&Device::default(), &mut |_| {});
        let experiment = prepared.unwrap();
        let row = experiment.score_again(&folder, Some(1)).unwrap();
        for (on, score) in row.iter().enumerate() {
            assert_eq!(
                score.value,
                summary.matrix.score(2, on),
                "{} {on}",
                family.name()
            );
        }
        // A grey picture.
        let picture = dir.path().join("grey.png");
        image::RgbImage::from_pixel(20, 20, image::Rgb([127; 3]))
            .save(&picture)
            .unwrap();
        let request = PredictionRequest {
            task: None,
            classes: 2,
        };
        let files = image_files(&[picture], &mut |_| {}).unwrap();
        let answers = experiment.predict(&folder, &files, request).unwrap();
        // From the run's folder, without its data where the weights are in a file.
        let device = Device::default();
        let alone = config.predict(&folder, &files, request, &device);
        assert_eq!(alone.unwrap(), answers);
        assert_eq!(answers[0].classes.len(), 2);
        assert!(answers[0].classes[0].score >= answers[0].classes[1].score);
    }
}

#[test]
fn what_is_trained_in_front_of_the_adapters_is_not_computed_once() {
    let dir = tempfile::tempdir().unwrap();
    let family = &VisionFamily::smallest()[0];
    let trained = |pattern: &str| {
        let mut config = config(family, "sequential-lora", &[]).unwrap();
        let text = config.to_toml().unwrap();
        let changes = [
            (
                "method.lora.trainable".to_owned(),
                format!("['^head\\.', '{pattern}']"),
            ),
            (
                "method.lora.target_modules".to_owned(),
                r"['^blocks\.1\..*fc1\.weight$']".to_owned(),
            ),
        ];
        config = ImageExperimentConfig::parse(&text, Path::new("f.toml"), None, &changes).unwrap();
        run(config, &dir.path().join(pattern.len().to_string())).1
    };
    // Up to block 1, up to block 0, not at all.
    let image = 6 * 8 + 6 * 4;
    assert_eq!(trained("^norm"), image);
    assert_eq!(trained("^blocks.0.norm1"), image);
    assert_eq!(trained("^position_embedding"), 0);
}

#[test]
fn a_family_without_files_says_so_before_anything_is_computed() {
    for family in VisionFamily::smallest() {
        let given = config(
            &family,
            "sequential-lora",
            &[("model.weights", "'w.safetensors'")],
        );
        let text = file(&family, "sequential-lora", &[]);
        let pretraining = PretrainingFile::parse(&text, Path::new("family.toml"), &[]);
        let prepared = pretraining.unwrap().prepare();
        if family.has_files() {
            given.unwrap();
            prepared.map(drop).unwrap();
            continue;
        }
        for error in [given.unwrap_err(), prepared.err().unwrap()] {
            let error = error.to_string();
            assert!(
                error.contains("model.") && error.contains(family.name()),
                "{error}"
            );
        }
    }
}
