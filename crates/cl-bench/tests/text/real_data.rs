//! The real files, where `TREELORA_DATA` says where they are.

use std::{collections::BTreeMap, env, path::PathBuf};

use treelora_cl_bench::text::{Duplicates, Majority, TextBenchmark, TextDatasetConfig, TrainSplit};

/// The folder of the data, or a note that the test is skipped.
#[allow(clippy::print_stderr)]
fn data(name: &str) -> Option<PathBuf> {
    let folder = env::var_os("TREELORA_DATA").map(|root| PathBuf::from(root).join(name));
    let folder = folder.filter(|folder| folder.is_dir());
    if folder.is_none() {
        eprintln!("skipped: TREELORA_DATA has no {name}");
    }
    folder
}

#[test]
fn trace_has_the_documented_sizes() {
    let Some(path) = data("LLM-CL-Benchmark_500") else {
        return;
    };
    let mut config = TextDatasetConfig::of(TextBenchmark::Trace, path);
    let error = config.open().unwrap_err().to_string();
    assert!(
        error.contains("MeetingBank") && error.contains("train.json"),
        "{error}"
    );
    config
        .train_split
        .insert("MeetingBank".into(), TrainSplit::Eval);
    let dataset = config.open().unwrap();
    let sizes: BTreeMap<&str, [usize; 3]> = dataset
        .tasks
        .iter()
        .map(|task| {
            let sizes = [&task.train, &task.eval, &task.test].map(|split| split.records.len());
            (task.name.as_str(), sizes)
        })
        .collect();
    assert_eq!(dataset.tasks.len(), 8);
    for (name, sizes) in sizes {
        let expected = match name {
            "MeetingBank" => [100, 0, 100],
            "NumGLUE-cm" => [500, 41, 81],
            _ => [500, 100, 100],
        };
        assert_eq!(sizes, expected, "{name}");
    }
    let duplicates = dataset
        .tasks
        .iter()
        .map(|task| Duplicates::of(task).across());
    assert!(duplicates.sum::<usize>() > 0);
    for task in &dataset.tasks[..2] {
        let majority = Majority::of(task).unwrap();
        assert!((0.2..0.8).contains(&majority.test_share), "{majority:?}");
    }
}

#[test]
fn o_lora_has_fourteen_of_its_fifteen_tasks() {
    let Some(path) = data("CL_Benchmark") else {
        return;
    };
    let mut config = TextDatasetConfig::of(TextBenchmark::OLora, path);
    config.order = Some(4);
    let error = config.open().unwrap_err().to_string();
    assert!(error.contains("yahoo"), "{error}");
    config.allow_missing = true;
    let dataset = config.open().unwrap();
    assert_eq!(dataset.tasks.len(), 14);
    assert!(dataset.missing.iter().all(|part| part.task == "yahoo"));
    for task in &dataset.tasks {
        let expected = match task.name.as_str() {
            "COPA" => [400, 100],
            "CB" => [250, 56],
            _ => [500, 200],
        };
        let sizes = [&task.train, &task.test].map(|split| split.records.len());
        assert_eq!(sizes, expected, "{}", task.name);
    }
}
