//! Records, tokenizers, and language models with theirs.

use burn::tensor::Device;
use treelora_cl_bench::text::{BytePairTraining, TextBenchmark, TextDatasetConfig, Tokenizer};
use treelora_experiment::LanguageModel;

use crate::{
    Format, Outcome, outcome,
    scratch::{folder, read},
};

/// Models of one layer, each with a tokenizer of another kind.
const GGUF_MODELS: &str = "crates/cl-bench/tests/fixtures/gguf";

const LINES: &str = "{\"prompt\": \"Which colour? \", \"answer\": \"blue\"}\n\
                     {\"prompt\": \"\u{1F600} \\u00e4\\ud83d\\ude00\", \"answer\": \"red\"}\n";

/// A task's split as one list.
pub const RECORDS: Format = Format {
    name: "records",
    file: "train.json",
    seeds: || vec![list(LINES).into_bytes()],
    parse: |bytes| stream("train.json", bytes),
};

/// A task's split with one record a line.
pub const RECORD_LINES: Format = Format {
    name: "record_lines",
    file: "train.jsonl",
    seeds: || vec![LINES.as_bytes().to_vec()],
    parse: |bytes| stream("train.jsonl", bytes),
};

/// The tokenizer of a model.
pub const TOKENIZER: Format = Format {
    name: "tokenizer",
    file: "tokenizer.json",
    seeds: || vec![trained_tokenizer()],
    parse: |bytes| {
        let folder = folder(&[("tokenizer.json", bytes)]);
        outcome(Tokenizer::load(folder.path()).and_then(|tokenizer| {
            let ids = tokenizer.encode("what of the sky? <s> \u{1F600}")?;
            tokenizer.decode(&ids)
        }))
    },
};

/// A model with its tokenizer in one file.
pub const GGUF: Format = Format {
    name: "gguf",
    file: "model.gguf",
    seeds: || {
        ["bytes", "pieces"]
            .map(|name| read(&format!("{GGUF_MODELS}/{name}.gguf")))
            .into()
    },
    parse: |bytes| {
        let folder = folder(&[("model.gguf", bytes)]);
        let path = folder.path().join("model.gguf");
        let model = LanguageModel::load(&path, &Device::default());
        outcome(model.and_then(|model| {
            let ids = model.tokenizer.encode("what of the sky? <s> \u{1F600}")?;
            model.tokenizer.decode(&ids)
        }))
    },
};

fn stream(name: &str, bytes: &[u8]) -> Outcome {
    let of_task = format!("colours/{name}");
    let other = list(LINES);
    let folder = folder(&[
        (&of_task, bytes),
        ("colours/eval.json", other.as_bytes()),
        ("colours/test.json", other.as_bytes()),
    ]);
    outcome(TextDatasetConfig::of(TextBenchmark::Folder, folder.path()).open())
}

fn list(lines: &str) -> String {
    format!("[{}]", lines.trim_end().replace('\n', ",\n"))
}

fn trained_tokenizer() -> Vec<u8> {
    let folder = folder(&[]);
    BytePairTraining::new(270)
        .train(["what of the sky? blue"], folder.path())
        .expect("a few words make a tokenizer");
    std::fs::read(folder.path().join("tokenizer.json")).expect("the tokenizer was written")
}
