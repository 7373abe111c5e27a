//! Files that are not what they should be are named.

use std::{fs, path::PathBuf};

use treelora_report::{Report, RunRecord};

use crate::tiny_run::{copy, finished};

#[test]
fn a_damaged_file_is_named() {
    let cases = [
        ("manifest.json", "{"),
        ("manifest.json", "{\"format\": 1}"),
        ("metrics.json", "[]"),
        ("log.jsonl", "neither\njson\n"),
        ("checkpoints/02/result.json", "null"),
        ("tasks/01/relatives.json", "{\"task\": 1}"),
    ];
    for (file, text) in cases {
        let (_dir, run) = copy(&finished()[0]);
        fs::write(run.join(file), text).unwrap();
        let error = Report::read(&[run]).unwrap_err().to_string();
        assert!(error.contains(file), "{file}: {error}");
    }
}

#[test]
fn a_missing_folder_is_named() {
    let error = Report::read(&[PathBuf::from("no/such/run")]).unwrap_err();
    assert!(error.to_string().contains("no/such/run"), "{error}");
}

#[test]
fn relatives_that_disagree_with_themselves_or_the_run_are_refused() {
    type Spoil = fn(&mut serde_json::Value);
    let cases: [(&str, Spoil); 6] = [
        ("task 99 of 3", |value| value["arms"][0][0] = 99.into()),
        ("task 7 of 3", |value| value["task"] = 7.into()),
        ("arm 5", |value| {
            value["windows"][0]["layers"][0]["arm"] = 5.into()
        }),
        ("`slots`", |value| value["slots"] = serde_json::json!([])),
        ("layers", |value| value["layers"] = serde_json::json!(["a"])),
        ("node 0", |value| {
            value["tree"]["nodes"][0]["delta"] = 7.into()
        }),
    ];
    for (said, spoil) in cases {
        let (_dir, run) = copy(&finished()[0]);
        let path = run.join("tasks/02/relatives.json");
        let mut value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        spoil(&mut value);
        fs::write(&path, value.to_string()).unwrap();
        let error = Report::read(&[run]).unwrap_err().to_string();
        assert!(error.contains("tasks/02/relatives.json"), "{error}");
        assert!(error.contains(said), "{said}: {error}");
    }
}

#[test]
fn scores_of_more_tasks_than_there_are_names_are_refused() {
    let (_dir, run) = copy(&finished()[0]);
    fs::remove_file(run.join("metrics.json")).unwrap();
    let scores = "{\"scores\": [[1.0], [1.0], [1.0], [1.0]]}";
    fs::write(run.join("matrix.json"), scores).unwrap();
    let error = Report::read(&[run]).unwrap_err().to_string();
    assert!(
        error.contains("matrix.json") && error.contains("4 tasks"),
        "{error}"
    );
}

/// A run that is still on its way stands beside finished ones of the same variant.
#[test]
fn an_unfinished_run_has_the_label_that_it_will_have() {
    for run in finished() {
        let whole = RunRecord::read(run).unwrap();
        let (_dir, run) = copy(run);
        fs::remove_file(run.join("metrics.json")).unwrap();
        let unfinished = RunRecord::read(&run).unwrap();
        assert!(whole.finished && !unfinished.finished);
        assert_eq!(unfinished.label, whole.label);
        assert_eq!(unfinished.method, whole.method);
        assert_eq!(unfinished.experiment(), "tiny");
    }
    let (_dir, run) = copy(&finished()[0]);
    fs::remove_file(run.join("metrics.json")).unwrap();
    let config = run.join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    let other = text.replace("inference = \"latest\"", "inference = \"routed\"");
    assert_ne!(text, other);
    fs::write(&config, other).unwrap();
    let routed = RunRecord::read(&run).unwrap();
    assert_eq!(routed.label, "tiny-tree-lora-routed");
    fs::write(&config, text.replace("name = \"tiny\"", "")).unwrap();
    let error = RunRecord::read(&run).unwrap_err().to_string();
    assert!(
        error.contains("config.toml") && error.contains("name"),
        "{error}"
    );
}
