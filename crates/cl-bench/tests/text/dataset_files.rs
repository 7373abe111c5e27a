//! Layouts of text tasks on disk, and files that are wrong.

use std::{fs, path::Path};

use serde_json::json;
use tempfile::TempDir;
use treelora_cl_bench::{
    Error,
    stream::{Subset, TaskOrder},
    text::{
        Duplicates, Majority, ScoredSplit, TextBenchmark, TextDataset, TextDatasetConfig,
        TrainSplit, o_lora_order,
    },
};

use crate::{record, records, task, write, write_json};

/// Two tasks with all splits: `b` with 5 training records, `a` with 2.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let many: Vec<(String, String)> = (0..5).map(|i| (format!("b{i}?"), format!("{i}"))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(p, a)| (p.as_str(), a.as_str())).collect();
    write_json(root, "b/train.json", &records(&many));
    write_json(root, "b/eval.json", &records(&[("b5?", "5")]));
    write_json(root, "b/test.json", &records(&[("b6?", "6"), ("b0?", "0")]));
    write(
        root,
        "a/train.jsonl",
        "{\"prompt\":\"a0?\",\"answer\":\"x\"}\n\n{\"prompt\":\"a1?\",\"answer\":\"y\",\"id\":7}\n",
    );
    write_json(root, "a/eval.json", &records(&[("a2?", "x")]));
    write_json(root, "a/test.json", &records(&[("a3?", "y")]));
    fs::create_dir(root.join(".cache")).unwrap();
    write(root, "LICENSE", "of the data");
    folder
}

fn config(root: &Path) -> TextDatasetConfig {
    TextDatasetConfig::of(TextBenchmark::Folder, root)
}

fn prompts(dataset: &TextDataset, task: usize) -> Vec<&str> {
    let records = dataset.tasks[task].train.records.iter();
    records.map(|record| record.prompt.as_str()).collect()
}

fn names(dataset: &TextDataset) -> Vec<&str> {
    dataset
        .tasks
        .iter()
        .map(|task| task.name.as_str())
        .collect()
}

#[track_caller]
fn refused(config: &TextDatasetConfig, parts: &[&str]) -> Error {
    let error = config.open().unwrap_err();
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    error
}

#[test]
fn a_folder_is_read_by_name_or_in_the_given_order() {
    let folder = folder();
    let mut config = config(folder.path());
    let dataset = config.open().unwrap();
    assert_eq!(names(&dataset), ["a", "b"]);
    assert_eq!(prompts(&dataset, 0), ["a0?", "a1?"]);
    assert_eq!(dataset.tasks[0].train.records[1], record("a1?", "y"));
    assert_eq!(dataset.tasks[1].test.records.len(), 2);
    assert_eq!(dataset.tasks[1].eval.records, [record("b5?", "5")]);
    config.tasks = vec!["b".into(), "a".into()];
    assert_eq!(names(&config.open().unwrap()), ["b", "a"]);
}

#[test]
fn limits_take_the_first_or_a_sample_in_file_order() {
    let folder = folder();
    let mut config = config(folder.path());
    config.train_per_task = Some(3);
    config.test_per_task = Some(1);
    let first = config.open().unwrap();
    assert_eq!(prompts(&first, 0), ["a0?", "a1?"]);
    assert_eq!(prompts(&first, 1), ["b0?", "b1?", "b2?"]);
    assert_eq!(first.tasks[1].train.available, 5);
    assert_eq!(first.tasks[1].test.records, [record("b6?", "6")]);

    let mut samples = std::collections::BTreeSet::new();
    for seed in 0..20 {
        config.subset = Subset::Sampled(seed);
        config.tasks = Vec::new();
        let sampled = config.open().unwrap();
        let picked: Vec<String> = prompts(&sampled, 1).into_iter().map(String::from).collect();
        assert_eq!(picked.len(), 3);
        assert!(picked.is_sorted());
        // Neither another order of the tasks nor a second reading changes it.
        config.tasks = vec!["b".into(), "a".into()];
        assert_eq!(prompts(&config.open().unwrap(), 0), picked);
        samples.insert(picked);
    }
    assert!(samples.len() > 3, "seeds sample differently: {samples:?}");
}

#[test]
fn settings_are_chosen_by_records_that_are_neither_trained_on_nor_tested() {
    let folder = folder();
    let root = folder.path();
    let mut config = config(root);
    config.scored_on = ScoredSplit::Eval;
    let scored = |dataset: &TextDataset, task: usize| -> Vec<String> {
        let records = dataset.tasks[task].test.records.iter();
        records.map(|record| record.prompt.clone()).collect()
    };
    assert_eq!(scored(&config.open().unwrap(), 1), ["b5?"]);

    // Without a split of their own: what training leaves over. No test file is opened.
    fs::remove_file(root.join("b/eval.json")).unwrap();
    fs::remove_file(root.join("b/test.json")).unwrap();
    config.tasks = vec!["b".into()];
    refused(
        &config,
        &["scored_on", "`b`", "all its 5", "train_per_task"],
    );
    config.train_per_task = Some(2);
    assert_eq!(scored(&config.open().unwrap(), 0), ["b2?", "b3?", "b4?"]);
    config.eval_per_task = Some(2);
    for seed in 0..20 {
        config.subset = Subset::Sampled(seed);
        let dataset = config.open().unwrap();
        let (trained, scored) = (prompts(&dataset, 0), scored(&dataset, 0));
        assert_eq!((trained.len(), scored.len()), (2, 2));
        assert!(
            !scored
                .iter()
                .any(|prompt| trained.contains(&prompt.as_str()))
        );
        assert!(scored.is_sorted());
    }
}

#[test]
fn records_that_are_wrong_are_named() {
    let folder = folder();
    let root = folder.path();
    let config = config(root);
    let cases: [(&str, &[&str]); 8] = [
        (
            r#"[{"prompt":"p","answer":"a"},{"prompt":"q"}]"#,
            &["record 1", "`answer`"],
        ),
        (
            r#"[{"prompt":"p","answer":"a"},{"prompt":"q","answer":" \n"}]"#,
            &["record 1", "answer is empty"],
        ),
        (
            r#"[{"prompt":"","answer":"a"}]"#,
            &["record 0", "prompt is empty"],
        ),
        (
            r#"[{"prompt":"p","answer":3}]"#,
            &["record 0", "integer `3`"],
        ),
        (
            r#"[{"prompt":"p","answer":"a"},{"promp"#,
            &["record 1", "EOF"],
        ),
        (r#"{"prompt":"p","answer":"a"}"#, &["a list of records"]),
        ("[]", &["no record"]),
        ("", &["empty"]),
    ];
    for (content, parts) in cases {
        write(root, "b/train.json", content);
        let error = refused(&config, parts);
        assert!(error.to_string().contains("train.json"), "{error}");
        assert!(matches!(error, Error::Format { .. }));
    }
    for nested in [
        "[".repeat(200_000),
        format!("[{{\"prompt\":{}", "[".repeat(200_000)),
    ] {
        write(root, "b/train.json", nested);
        refused(&config, &["train.json", "record 0"]);
    }
    // What nobody reads may be nested as deeply as it wants.
    let extra = format!(
        "[{{\"prompt\":\"p\",\"answer\":\"a\",\"x\":{}1{}}}]",
        "[".repeat(99),
        "]".repeat(99)
    );
    write(root, "b/train.json", extra);
    config.open().unwrap();
    write(
        root,
        "b/train.json",
        [b"[{\"prompt\":\"", &[0xFF_u8][..], b"\",\"answer\":\"a\"}]"].concat(),
    );
    refused(&config, &["train.json", "byte FF", "Latin-1"]);
    fs::remove_file(root.join("b/train.json")).unwrap();
    write(
        root,
        "b/train.jsonl",
        "{\"prompt\":\"p\",\"answer\":\"a\"}\n\n{\"prompt\":\"p\"}\n",
    );
    refused(&config, &["train.jsonl", "line 3 (from 1)", "`answer`"]);
    write(
        root,
        "b/train.jsonl",
        "{\"prompt\":\"p\",\"answer\":\"a\"}\n{\"prompt\":\"p\",\"answer\":\"\"}\n",
    );
    refused(
        &config,
        &["train.jsonl", "line 2 (from 1)", "answer is empty"],
    );
}

#[test]
fn files_of_other_systems_are_read_or_named() {
    let folder = folder();
    let root = folder.path();
    let config = config(root);
    let plain = config.open().unwrap();
    // A mark in front, newlines of two characters, and a mark within where files were joined.
    let line = |prompt: &str, answer: &str| {
        json!({ "prompt": prompt, "answer": answer }).to_string() + "\r\n"
    };
    let lines = format!("\u{feff}{}\u{feff}{}", line("a0?", "x"), line("a1?", "y"));
    write(root, "a/train.jsonl", &lines);
    let list = fs::read_to_string(root.join("b/test.json")).unwrap();
    write(root, "b/test.json", format!("\u{feff}{list}"));
    assert_eq!(config.open().unwrap(), plain);
    let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    for text in [lines.as_str(), lines.trim_start_matches('\u{feff}')] {
        write(root, "a/train.jsonl", wide(text));
        refused(&config, &["train.jsonl", "UTF-16", "UTF-8"]);
    }
    write(
        root,
        "a/train.jsonl",
        b"{\"prompt\":\"caf\xe9\",\"answer\":\"x\"}",
    );
    refused(&config, &["train.jsonl", "Latin-1", "line 1"]);
}

#[test]
fn half_a_surrogate_pair_is_named_with_its_record() {
    let folder = folder();
    let root = folder.path();
    let config = config(root);
    let good = r#"{"prompt":"\ud83d\ude00","answer":"x"}"#;
    for half in [r"\ud83d", r"\ude00", r"\ud83d and more"] {
        let bad = format!(r#"{{"prompt":"p {half}","answer":"x"}}"#);
        let escape = format!("half a surrogate pair `{}`", &half[..6]);
        write(root, "a/train.jsonl", format!("{good}\n{bad}\n"));
        refused(&config, &["train.jsonl", "line 2", &escape, "at column"]);
        write_json(root, "a/test.json", &records(&[("a3?", "y")]));
        write(root, "a/train.jsonl", good);
        write(root, "a/test.json", format!("[{good},\n{bad}]"));
        refused(&config, &["test.json", "record 1", &escape]);
        write_json(root, "a/test.json", &records(&[("a3?", "y")]));
    }
    let dataset = config.open().unwrap();
    assert_eq!(prompts(&dataset, 0), ["\u{1f600}"]);
}

#[test]
fn the_form_that_a_name_asks_for_is_named() {
    let folder = folder();
    let root = folder.path();
    let config = config(root);
    let record = r#"{"prompt":"p","answer":"a"}"#;
    write(root, "b/train.json", format!("{record}\n{record}\n"));
    refused(&config, &["train.json", "`.jsonl`", "one list"]);
    write(root, "b/train.json", format!("[{record}]"));
    for list in [format!("[{record},\n{record}]"), "[\n]".to_owned()] {
        write(root, "a/train.jsonl", list);
        refused(&config, &["train.jsonl", "a list", "`.json` file"]);
    }
    let indented = "{\n \"prompt\": \"p\",\n \"answer\": \"a\"\n}\n";
    write(root, "a/train.jsonl", indented.repeat(2));
    refused(
        &config,
        &[
            "train.jsonl",
            "line 1 (from 1)",
            "next line",
            "`.json` file",
        ],
    );
    // A line that breaks off is no object of several lines.
    write(root, "a/train.jsonl", format!("{record}\n{{\"prompt\":"));
    refused(&config, &["train.jsonl", "line 2 (from 1)", "EOF"]);
}

#[test]
fn what_is_missing_is_an_error_or_reported() {
    let folder = folder();
    let root = folder.path();
    let mut config = config(root);
    fs::remove_file(root.join("b/train.json")).unwrap();
    fs::remove_file(root.join("a/eval.json")).unwrap();
    refused(&config, &["b", "train.json", "allow_missing"]);
    config.tasks = vec!["b".into(), "a".into()];
    refused(&config, &["train.json", "`b`", "train_split"]);
    config.allow_missing = true;
    let dataset = config.open().unwrap();
    assert_eq!(names(&dataset), ["a"]);
    let missing: Vec<(&str, bool)> = dataset
        .missing
        .iter()
        .map(|part| (part.file.as_str(), part.task_left_out))
        .collect();
    assert_eq!(missing, [("b/train.json", true), ("a/eval.json", false)]);
    config.tasks = vec!["c".into()];
    refused(&config, &["no task"]);
    config.allow_missing = false;
    refused(&config, &["c", "train.json", "missing"]);
}

#[test]
fn a_validation_split_is_needed_where_a_task_is_trained_on_it_alone() {
    let folder = folder();
    let root = folder.path();
    let mut config = config(root);
    for task in ["a", "b"] {
        fs::remove_file(root.join(task).join("eval.json")).unwrap();
    }
    let dataset = config.open().unwrap();
    assert_eq!(names(&dataset), ["a", "b"]);
    assert!(dataset.tasks[0].eval.records.is_empty());
    let missing = dataset.missing.iter();
    let missing: Vec<_> = missing
        .map(|part| (&*part.file, part.task_left_out))
        .collect();
    assert_eq!(missing, [("a/eval.json", false), ("b/eval.json", false)]);
    config.train_split.insert("b".into(), TrainSplit::Eval);
    refused(&config, &["eval.json", "`b`", "missing"]);
    fs::remove_file(root.join("a/test.json")).unwrap();
    config.train_split.clear();
    refused(&config, &["test.json", "`a`", "missing"]);
}

#[test]
fn another_training_split_is_declared_and_no_longer_validates() {
    let folder = folder();
    let root = folder.path();
    let mut config = config(root);
    fs::remove_file(root.join("b/train.json")).unwrap();
    config.train_split.insert("b".into(), TrainSplit::Eval);
    let dataset = config.open().unwrap();
    assert_eq!(dataset.tasks[1].train_from, TrainSplit::Eval);
    assert_eq!(prompts(&dataset, 1), ["b5?"]);
    assert!(dataset.tasks[1].eval.records.is_empty());
    // A task that the stream leaves out may have a setting, one that nobody knows may not.
    config.tasks = vec!["a".into()];
    for left_out in ["b", "MeetingBank", "yahoo"] {
        config.train_split.insert(left_out.into(), TrainSplit::Eval);
    }
    let fewer = config.open().unwrap();
    assert_eq!(names(&fewer), ["a"]);
    assert_eq!(fewer.tasks[0].train_from, TrainSplit::Train);
    config.train_split.insert("z".into(), TrainSplit::Eval);
    refused(&config, &["`train_split`", "`z`"]);
    let test = "name = 'folder'\ntrain_split = { b = 'test' }";
    assert!(toml::from_str::<TextDatasetConfig>(test).is_err());
}

#[test]
fn two_files_for_one_split_are_ambiguous() {
    let folder = folder();
    write_json(folder.path(), "a/train.json", &records(&[("p", "a")]));
    refused(&config(folder.path()), &["train.json", "train.jsonl"]);
}

#[test]
fn names_do_not_lead_out_of_the_folder() {
    let folder = folder();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    for name in [
        "../a", "..", ".", "", "/etc", "a/../a", "a\\b", ".cache", "c:",
    ] {
        let mut config = config(&inner);
        config.tasks = vec![name.into()];
        refused(&config, &["`tasks`", "no name of a folder"]);
    }
}

#[test]
fn settings_are_checked() {
    let of = |text: &str| toml::from_str::<TextDatasetConfig>(text);
    assert!(of("name = 'trace'\npth = 'x'").is_err());
    assert!(of("name = 'tracee'").is_err());
    let refuses = |text: &str, key: &str| {
        refused(&of(text).unwrap(), &[key]);
    };
    refuses("name = 'trace'", "`path`");
    refuses(
        "name = 'trace'\npath = 'x'\ntrain_per_task = 0",
        "`train_per_task`",
    );
    refuses("name = 'trace'\npath = 'x'\norder = 1", "`order`");
    refuses("name = 'trace'\npath = 'x'\ntasks = ['dbpedia']", "`tasks`");
    refuses(
        "name = 'trace'\npath = 'x'\ntasks = ['FOMC', 'FOMC']",
        "twice",
    );
    refuses("name = 'math'\npath = 'x'\ntasks = ['FOMC']", "`tasks`");
    refuses("name = 'o-lora'\npath = 'x'", "`order`");
    refuses("name = 'o-lora'\npath = 'x'\norder = 7", "`order`");
    refuses(
        "name = 'o-lora'\npath = 'x'\norder = 1\ntasks = ['CB']",
        "`tasks`",
    );
    refuses(
        "name = 'folder'\npath = 'x'\nclassification_path = 'y'",
        "`classification_path`",
    );
    let text =
        "name = 'o-lora'\npath = 'x'\norder = 4\ntest_per_task = 9\nsubset = { sampled = 3 }";
    let config = of(text).unwrap();
    assert_eq!(config.subset, Subset::Sampled(3));
    assert_eq!(of(&toml::to_string(&config).unwrap()).unwrap(), config);
}

#[test]
fn trace_is_read_in_its_own_order() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = [
        "C-STANCE",
        "FOMC",
        "MeetingBank",
        "Py150",
        "ScienceQA",
        "NumGLUE-cm",
        "NumGLUE-ds",
        "20Minuten",
    ];
    for name in tasks {
        for split in ["train", "eval", "test"] {
            let prompt = format!("{name} {split}");
            let content = records(&[(prompt.as_str(), "A")]);
            write_json(folder.path(), &format!("{name}/{split}.json"), &content);
        }
    }
    let of = |name| TextDatasetConfig::of(name, folder.path());
    assert_eq!(names(&of(TextBenchmark::Trace).open().unwrap()), tasks);
    let math = of(TextBenchmark::Math).open().unwrap();
    assert_eq!(names(&math), ["ScienceQA", "NumGLUE-cm", "NumGLUE-ds"]);
    assert_eq!(prompts(&math, 0), ["ScienceQA train"]);

    let classification = tempfile::tempdir().unwrap();
    let mut long = of(TextBenchmark::TraceLong);
    refused(&long, &["`classification_path`"]);
    long.classification_path = Some(classification.path().into());
    let labelled = [
        "TC/dbpedia",
        "SC/amazon",
        "TC/yahoo",
        "TC/agnews",
        "SC/yelp",
        "BoolQA/BoolQA",
        "QQP/QQP",
    ];
    for path in labelled {
        sentences(classification.path(), path, &[("one", "No")]);
    }
    let dataset = long.open().unwrap();
    assert_eq!(dataset.tasks.len(), 15);
    assert_eq!(
        names(&dataset)[8..],
        [
            "dbpedia", "amazon", "yahoo", "agnews", "yelp", "BoolQA", "QQP"
        ]
    );
    fs::remove_dir_all(classification.path().join("TC/yahoo")).unwrap();
    refused(&long, &["yahoo", "train.json"]);
    long.allow_missing = true;
    let dataset = long.open().unwrap();
    assert_eq!(dataset.tasks.len(), 14);
    assert!(
        dataset
            .missing
            .iter()
            .all(|part| part.task == "yahoo" && part.task_left_out)
    );
}

fn sentences(root: &Path, path: &str, pairs: &[(&str, &str)]) {
    let items = pairs.iter();
    let items: serde_json::Value = items
        .map(|(sentence, label)| json!({ "sentence": sentence, "label": label }))
        .collect();
    write_json(root, &format!("{path}/train.json"), &items);
    write_json(root, &format!("{path}/test.json"), &items);
    write_json(root, &format!("{path}/labels.json"), &json!(["Yes", "No"]));
}

#[test]
fn labelled_sentences_become_questions_with_choices() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let mut config = TextDatasetConfig::of(TextBenchmark::OLora, root);
    config.order = Some(1);
    config.allow_missing = true;
    sentences(
        root,
        "TC/dbpedia",
        &[("first\nline\n", "Yes"), ("second", "No")],
    );
    sentences(root, "SC/amazon", &[("third", "No")]);
    let dataset = config.open().unwrap();
    assert_eq!(names(&dataset), ["dbpedia", "amazon"]);
    assert_eq!(
        dataset.missing.len(),
        4,
        "train and test of yahoo and agnews"
    );
    let first = &dataset.tasks[0].train.records[0];
    assert_eq!(first.answer, "Yes");
    assert_eq!(dataset.tasks[0].labels, ["Yes", "No"]);
    assert_eq!(&first.prompt[first.text.clone().unwrap()], "first\nline");
    let lines: Vec<&str> = first.prompt.lines().collect();
    assert_eq!(
        lines[1..],
        [
            "Choose one of: Yes, No.",
            "",
            "first",
            "line",
            "",
            "Answer:"
        ]
    );
    assert_eq!(
        o_lora_order(1).unwrap(),
        ["dbpedia", "amazon", "yahoo", "agnews"]
    );
    sentences(root, "SC/amazon", &[("third", "No"), ("fourth", "Maybe")]);
    refused(&config, &["train.json", "record 1", "`Maybe`", "Yes, No"]);
    write_json(root, "SC/amazon/labels.json", &json!(["Yes", " "]));
    refused(&config, &["labels.json", "label is empty"]);
    fs::remove_file(root.join("SC/amazon/labels.json")).unwrap();
    refused(&config, &["labels.json"]);
    config
        .train_split
        .insert("dbpedia".into(), TrainSplit::Eval);
    refused(&config, &["`train_split`", "dbpedia"]);
}

#[test]
fn duplicates_and_majority_are_counted() {
    let train = ["p", "q", "p", "r", "s"].map(|prompt| record(prompt, "B"));
    let mut task = task(
        "t",
        train.to_vec(),
        vec![
            record("p", "A"),
            record("x", "B"),
            record("x", "B"),
            record("y", "C"),
        ],
    );
    task.train.records[1].answer = "A".into();
    task.train.records[3].answer = "A".into();
    task.eval.records = vec![record("q", "A"), record("y", "A")];
    let expected = Duplicates {
        within_train: 1,
        within_test: 1,
        test_in_train: 1,
        eval_in_train: 1,
        test_in_eval: 1,
    };
    assert_eq!(Duplicates::of(&task), expected);
    assert_eq!((expected.across(), expected.total()), (3, 5));
    let majority = Majority::of(&task).unwrap();
    assert_eq!(majority.answer, "B");
    assert_eq!((majority.train_share, majority.test_share), (0.6, 0.5));
    // Of equally frequent answers, the first in the alphabet.
    task.train.records.truncate(4);
    assert_eq!(Majority::of(&task).unwrap().answer, "A");
    task.train.records.clear();
    assert_eq!(Majority::of(&task), None);
}

/// Two tasks of six training, two validation and four test records.
fn folder_of_visits() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for task in ["a", "b"] {
        for (split, count) in [("train", 6), ("eval", 2), ("test", 4)] {
            let prompts: Vec<String> = (0..count).map(|i| format!("{task} {split} {i}")).collect();
            let pairs: Vec<(&str, &str)> = prompts.iter().map(|p| (p.as_str(), "x")).collect();
            write_json(
                folder.path(),
                &format!("{task}/{split}.json"),
                &records(&pairs),
            );
        }
    }
    folder
}

#[test]
fn a_task_that_comes_back_brings_its_next_records() {
    let folder = folder_of_visits();
    for subset in [Subset::FileOrder, Subset::Sampled(3)] {
        let mut config = config(folder.path());
        config.subset = subset;
        (config.train_per_task, config.test_per_task) = (Some(2), Some(1));
        let once = config.open().unwrap();
        config.visits = 3;
        let dataset = config.open().unwrap();
        let titles: Vec<String> = dataset.tasks.iter().map(|task| task.title()).collect();
        assert_eq!(titles, ["a", "b", "a (2)", "b (2)", "a (3)", "b (3)"]);
        assert_eq!(names(&dataset), ["a", "b", "a", "b", "a", "b"]);
        // The first visit is what there was without others.
        assert_eq!(dataset.tasks[..2], once.tasks);
        let visits = || dataset.tasks.iter().step_by(2);
        let mut train: Vec<&str> = (0..3)
            .flat_map(|visit| prompts(&dataset, 2 * visit))
            .collect();
        train.sort_unstable();
        let all: Vec<String> = (0..6).map(|i| format!("a train {i}")).collect();
        assert_eq!(train, all);
        let tests: std::collections::BTreeSet<&str> = visits()
            .map(|task| task.test.records[0].prompt.as_str())
            .collect();
        assert_eq!(tests.len(), 3);
        assert!(
            visits().all(|task| task.eval == dataset.tasks[0].eval && task.eval.records.len() == 2)
        );
        let splits = config.open_training().unwrap();
        let trained: Vec<_> = dataset
            .tasks
            .iter()
            .map(|task| task.train.clone())
            .collect();
        assert_eq!(splits, trained);

        // Validation records of a task without any are those that no visit trains on.
        config.visits = 2;
        config.scored_on = ScoredSplit::Eval;
        fs::rename(
            folder.path().join("a/eval.json"),
            folder.path().join("a/kept"),
        )
        .unwrap();
        let left = config.open().unwrap();
        fs::rename(
            folder.path().join("a/kept"),
            folder.path().join("a/eval.json"),
        )
        .unwrap();
        let scored: Vec<&str> = left.tasks[0]
            .test
            .records
            .iter()
            .map(|r| r.prompt.as_str())
            .collect();
        assert_eq!(scored.len(), 2);
        let trained = [prompts(&left, 0), prompts(&left, 2)].concat();
        assert!(
            scored.iter().all(|prompt| !trained.contains(prompt)),
            "{scored:?}"
        );
    }
}

#[test]
fn rounds_of_visits_have_orders_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = ["a", "b", "c", "d", "e"];
    for task in tasks {
        for split in ["train", "test"] {
            let pairs: Vec<(&str, &str)> = vec![("p", "x"); 4];
            write_json(
                folder.path(),
                &format!("{task}/{split}.json"),
                &records(&pairs),
            );
        }
    }
    let mut config = config(folder.path());
    config.task_order = Some(TaskOrder::Shuffled(1));
    (config.train_per_task, config.test_per_task) = (Some(1), Some(1));
    config.visits = 4;
    let dataset = config.open().unwrap();
    let rounds: Vec<Vec<&str>> = names(&dataset).chunks(5).map(<[&str]>::to_vec).collect();
    for round in &rounds {
        let mut sorted = round.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, tasks);
    }
    assert!(
        rounds.windows(2).any(|pair| pair[0] != pair[1]),
        "{rounds:?}"
    );
    // What is missing is said once.
    fs::remove_file(folder.path().join("c/test.json")).unwrap();
    config.allow_missing = true;
    let missing = config.open().unwrap().missing;
    let tests = missing.iter().filter(|part| part.split == "test").count();
    assert_eq!(tests, 1, "{missing:?}");
}

#[test]
fn visits_that_the_records_do_not_allow_are_refused() {
    let folder = folder_of_visits();
    let mut config = config(folder.path());
    config.visits = 0;
    refused(&config, &["visits", "0"]);
    config.visits = 4;
    refused(&config, &["train_per_task", "4 visits"]);
    config.train_per_task = Some(2);
    refused(&config, &["test_per_task"]);
    config.test_per_task = Some(1);
    refused(
        &config,
        &["visits", "`a`", "6 train records", "4 visits of 2"],
    );
    config.train_per_task = Some(1);
    assert_eq!(config.open().unwrap().tasks.len(), 8);
}
