//! What holds for text data, and what is refused.
#![allow(clippy::unwrap_used)]

mod batching;
mod chat;
mod dataset_files;
mod demonstrations;
mod encoding;
mod gguf;
mod golden;
mod real_data;
mod tokenizer;

use std::{fs, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;
use treelora_cl_bench::text::{BytePairTraining, TextRecord, TextSplit, TextTask, Tokenizer};

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

/// Records as they are in a file of TRACE.
fn records(pairs: &[(&str, &str)]) -> Value {
    let records = pairs
        .iter()
        .map(|(prompt, answer)| json!({ "prompt": prompt, "answer": answer }));
    records.collect()
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

/// Write a file and the folders above it.
fn write(root: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn write_json(root: &Path, name: &str, content: &Value) {
    write(root, name, content.to_string());
}
