//! Batches of text tasks.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, env, path::PathBuf};

use tempfile::TempDir;
use treelora_cl_bench::{
    Stage, StreamData,
    text::{
        BytePairTraining, Encoding, StreamReport, TextBatching, TextBenchmark, TextDataset,
        TextDatasetConfig, TextRecord, TextSplit, TextTask, Tokenizer, TrainSplit,
    },
};
use treelora_core::{Batch, Exposure, TaskId};
use treelora_experiment::TextStream;
use treelora_models::decoder::{TextBatch, TextExample};

/// A vocabulary of 300 tokens, trained on a few sentences.
fn tiny_tokenizer() -> (TempDir, Tokenizer) {
    let folder = tempfile::tempdir().unwrap();
    let texts = [
        "the cat sat on the mat and the dog sat on the cat",
        "Question: how many cats sat on the mat? Answer: 3",
    ];
    let tokenizer = BytePairTraining::new(300)
        .train(texts, folder.path())
        .unwrap();
    (folder, tokenizer)
}

fn record(prompt: &str, answer: &str) -> TextRecord {
    TextRecord {
        prompt: prompt.into(),
        answer: answer.into(),
        text: None,
    }
}

fn split(records: Vec<TextRecord>) -> TextSplit {
    TextSplit {
        available: records.len(),
        records,
    }
}

fn task(name: &str, train: Vec<TextRecord>, test: Vec<TextRecord>) -> TextTask {
    TextTask {
        name: name.into(),
        visit: 0,
        train_from: Default::default(),
        train: split(train),
        eval: TextSplit::default(),
        test: split(test),
        labels: Vec::new(),
    }
}

/// Two tasks of 11 and 6 examples with lengths between 5 and 60 tokens.
fn stream(batching: TextBatching) -> TextStream {
    let of = |name: &str, count: usize| {
        let records = |split: &str, count: usize| {
            (0..count)
                .map(|i| {
                    record(
                        &format!("{split} {name}{i} {}", "cat ".repeat(i * i % 37)),
                        "mat",
                    )
                })
                .collect()
        };
        let mut task = task(name, records("train", count), records("test", 3));
        task.eval = task.test.clone();
        task.eval.records.truncate(2);
        task
    };
    let dataset = TextDataset {
        tasks: vec![of("one", 11), of("two", 6)],
        missing: Vec::new(),
    };
    let (_folder, tokenizer) = tiny_tokenizer();
    TextStream::new(dataset, &tokenizer, &Encoding::default(), batching, 2048).unwrap()
}

fn epoch(stream: &TextStream, stage: &Stage, size: usize, seed: u64) -> Vec<TextBatch> {
    let batches = stream.epoch(stage, size, seed, 0).unwrap();
    batches.map(Result::unwrap).collect()
}

fn counted<'a>(batches: impl IntoIterator<Item = &'a TextBatch>) -> BTreeMap<Vec<u32>, usize> {
    let mut counts = BTreeMap::new();
    for example in batches.into_iter().flat_map(|batch| &batch.examples) {
        *counts.entry(example.ids.clone()).or_default() += 1;
    }
    counts
}

#[test]
fn an_epoch_has_every_example_once_in_an_order_of_its_seed() {
    for batching in [
        TextBatching::default(),
        TextBatching {
            token_budget: Some(90),
        },
    ] {
        let stream = stream(batching);
        for exposure in [Exposure::CurrentTask, Exposure::AllTasks] {
            for stage in stream.stages(exposure) {
                let all = stream.in_order(&stage);
                let all: Vec<TextBatch> = all.batches().map(Result::unwrap).collect();
                let expected = counted(&all);
                assert_eq!(expected.values().sum::<usize>(), stream.train_len(&stage));
                assert!(expected.values().all(|count| *count == 1), "prompts differ");
                for size in [1, 2, 4, 100] {
                    let first = epoch(&stream, &stage, size, 7);
                    assert_eq!(counted(&first), expected);
                    assert_eq!(first.len(), stream.num_batches(&stage, size));
                    assert!(first.iter().all(|batch| batch.len() <= size));
                    assert_eq!(first, epoch(&stream, &stage, size, 7));
                    if first.len() > 1 {
                        assert_ne!(first, epoch(&stream, &stage, size, 8));
                    }
                }
            }
        }
    }
}

#[test]
fn the_joint_stage_has_all_tasks() {
    let stream = stream(TextBatching::default());
    let stages = stream.stages(Exposure::AllTasks);
    assert_eq!(stages.len(), 1);
    assert_eq!(stream.train_len(&stages[0]), 17);
    let single = stream.stages(Exposure::CurrentTask);
    assert_eq!(single.len(), 2);
    assert_eq!(stream.train_len(&single[1]), 6);
    assert!(stream.allowed(TaskId(0), TaskId(1)).is_empty());
}

#[test]
fn test_data_come_in_the_order_of_the_file() {
    let stream = stream(TextBatching::default());
    let prompts = stream.test_examples(TaskId(1));
    for size in [1, 2, 50] {
        let batches = stream.test(TaskId(1), size).unwrap().map(Result::unwrap);
        let examples: Vec<TextExample> = batches.flat_map(|batch| batch.examples).collect();
        assert_eq!(examples.len(), prompts.len());
        for (example, prompt) in examples.iter().zip(prompts) {
            assert_eq!(example.prompt(), prompt.prompt_ids);
        }
        let eval: Vec<TextBatch> = stream.eval(TaskId(1), size).map(Result::unwrap).collect();
        assert_eq!(counted(&eval).len(), 2);
    }
    assert_eq!(prompts[2].prompt_text, "test two2 cat cat cat cat ");
    assert_eq!(prompts[2].answer_text, "mat");
    assert_eq!(stream.tasks()[1].name, "two");
}

#[test]
fn a_budget_of_0_is_refused() {
    let (_folder, tokenizer) = tiny_tokenizer();
    let dataset = TextDataset {
        tasks: Vec::new(),
        missing: Vec::new(),
    };
    let batching = TextBatching {
        token_budget: Some(0),
    };
    let error = TextStream::new(dataset, &tokenizer, &Encoding::default(), batching, 99);
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("batching.token_budget")
    );
}

#[test]
fn an_answer_without_a_token_is_refused_with_its_place() {
    let (folder, _) = tiny_tokenizer();
    // A normaliser that removes every letter x.
    let path = folder.path().join("tokenizer.json");
    let mut file: serde_json::Value = treelora_core::read_json(&path).unwrap();
    file["normalizer"] =
        serde_json::json!({ "type": "Replace", "pattern": { "String": "x" }, "content": "" });
    treelora_core::write_json(&path, &file).unwrap();
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    let dataset = TextDataset {
        tasks: vec![task(
            "T",
            vec![record("a", "b"), record("c", "xxx")],
            vec![record("d", "e")],
        )],
        missing: Vec::new(),
    };
    let stream = TextStream::new(
        dataset,
        &tokenizer,
        &Encoding::default(),
        TextBatching::default(),
        2048,
    );
    let error = stream.unwrap_err().to_string();
    assert!(error.contains("T, train split: record 1"), "{error}");
}

#[test]
fn the_report_counts_and_reads_back() {
    let records = vec![
        record("the cat sat on the mat and the dog sat", "A"),
        record("the", "B"),
    ];
    let mut one = task("one", records.clone(), vec![records[1].clone()]);
    one.train.available = 10;
    one.train_from = TrainSplit::Eval;
    let dataset = TextDataset {
        tasks: vec![one],
        missing: vec![treelora_cl_bench::text::MissingPart {
            task: "two".into(),
            split: "train".into(),
            file: "two/train.json".into(),
            task_left_out: true,
        }],
    };
    let (_folder, tokenizer) = tiny_tokenizer();
    let encoding = Encoding {
        max_prompt: 5,
        max_answer: 1,
        ..Encoding::default()
    };
    let stream = TextStream::new(
        dataset,
        &tokenizer,
        &encoding,
        TextBatching::default(),
        2048,
    )
    .unwrap();
    let report = stream.report();
    let train = &report.tasks[0].train;
    assert_eq!((train.records, train.available), (2, 10));
    assert_eq!((train.prompts_cut, train.answers_cut), (1, 2));
    assert_eq!((train.longest, train.tokens), (6, 6 + 3));
    assert_eq!(report.tasks[0].duplicates.test_in_train, 1);
    assert_eq!(report.tasks[0].majority.as_ref().unwrap().test_share, 0.0);
    let text = serde_json::to_string(report).unwrap();
    let back: StreamReport = serde_json::from_str(&text).unwrap();
    assert_eq!(&back, report);
    let table = report.to_string();
    for part in [
        "2/10 (eval)",
        "1/0/0",
        "2/0/1",
        "two/train.json is missing",
        "at most 5 tokens",
    ] {
        assert!(table.contains(part), "`{part}` is not in\n{table}");
    }
}

#[test]
#[allow(clippy::print_stderr)]
fn trace_becomes_a_stream() {
    let root = env::var_os("TREELORA_DATA").map(PathBuf::from);
    let folder = root.map(|root| root.join("LLM-CL-Benchmark_500"));
    let Some(path) = folder.filter(|folder| folder.is_dir()) else {
        eprintln!("skipped: TREELORA_DATA has no LLM-CL-Benchmark_500");
        return;
    };
    let mut config = TextDatasetConfig::of(TextBenchmark::Trace, path);
    config
        .train_split
        .insert("MeetingBank".into(), TrainSplit::Eval);
    config.train_per_task = Some(20);
    config.eval_per_task = Some(5);
    config.test_per_task = Some(10);
    let (_folder, tokenizer) = tiny_tokenizer();
    let stream = TextStream::new(
        config.open().unwrap(),
        &tokenizer,
        &Encoding::default(),
        TextBatching::default(),
        4096,
    )
    .unwrap();
    let report = stream.report();
    let meetings = &report.tasks[2];
    assert!(meetings.train.prompts_cut > 15, "transcripts are long");
    assert!(report.tasks.iter().all(|task| task.test.records == 10));
    assert!(report.tasks.iter().all(|task| task.train.longest <= 1536));
    assert!(report.to_string().contains("20/100 (eval)"), "{report}");
}
