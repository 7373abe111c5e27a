//! Against tokenizers and transformers: `text.json` and `folders.json`, by xtask/golden/text.py.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use treelora_cl_bench::text::{BytePairTraining, Date, Tokenizer};
use treelora_core::read_json;

use crate::{tiny_tokenizer, write_json};

#[derive(Deserialize)]
struct Golden {
    texts: Vec<String>,
    probes: Vec<String>,
    trained: Vec<Trained>,
    chats: Vec<Chat>,
    dates: Vec<Printed>,
}

#[derive(Deserialize)]
struct Trained {
    vocabulary: usize,
    split_digits: bool,
    merges: Value,
    ids: Vec<Vec<u32>>,
    decoded: Vec<String>,
}

#[derive(Deserialize)]
struct Chat {
    template: String,
    prompt: String,
    rendered: String,
}

#[derive(Deserialize)]
struct Printed {
    date: String,
    format: String,
    printed: String,
}

#[derive(Deserialize)]
struct Folders {
    tokenizer: Value,
    probes: Vec<String>,
    folders: Vec<Folder>,
    digits: Vec<Digits>,
}

/// Files beside `tokenizer.json`, and what comes of the probes.
#[derive(Deserialize)]
struct Folder {
    name: String,
    files: BTreeMap<String, Value>,
    ids: Vec<Vec<u32>>,
    decoded: Vec<String>,
}

/// A tokenizer without letters.
#[derive(Deserialize)]
struct Digits {
    name: String,
    tokenizer: Value,
    texts: Vec<String>,
    ids: Vec<Vec<u32>>,
}

fn folders() -> Folders {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/folders.json");
    read_json(path.as_ref()).unwrap()
}

fn golden() -> Golden {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/text.json");
    read_json(path.as_ref()).unwrap()
}

#[test]
fn training_learns_the_merges_of_the_library() {
    let golden = golden();
    for expected in &golden.trained {
        let folder = tempfile::tempdir().unwrap();
        let mut training = BytePairTraining::new(expected.vocabulary);
        training.split_digits = expected.split_digits;
        let texts = golden.texts.iter().map(String::as_str);
        let tokenizer = training.train(texts, folder.path()).unwrap();
        let file: Value = read_json(&folder.path().join("tokenizer.json")).unwrap();
        assert_eq!(file["model"]["merges"], expected.merges);
        for ((probe, ids), text) in golden
            .probes
            .iter()
            .zip(&expected.ids)
            .zip(&expected.decoded)
        {
            assert_eq!(
                &tokenizer.encode_with_special(probe).unwrap(),
                ids,
                "{probe:?}"
            );
            assert_eq!(&tokenizer.decode(ids).unwrap(), text);
        }
    }
}

#[test]
fn chat_templates_give_the_text_of_transformers() {
    let (folder, _) = tiny_tokenizer();
    for chat in golden().chats {
        let config = json!({
            "bos_token": "<|bos|>", "eos_token": "<|eos|>", "pad_token": "<|pad|>",
            "chat_template": chat.template,
        });
        write_json(folder.path(), "tokenizer_config.json", &config);
        let tokenizer = Tokenizer::load(folder.path()).unwrap();
        let template = tokenizer.chat_template().unwrap();
        let template = template.with_date(Date::from_unix(0));
        assert_eq!(
            template.render(&chat.prompt).unwrap(),
            chat.rendered,
            "{}",
            chat.template
        );
    }
}

#[test]
fn dates_are_printed_as_python_does() {
    for Printed {
        date,
        format,
        printed,
    } in golden().dates
    {
        let moment = Date::parse(&date).unwrap();
        assert_eq!(moment.strftime(&format), Ok(printed), "{date} {format:?}");
        assert_eq!(moment.to_string(), date);
    }
}

#[test]
fn tokens_of_the_files_beside_a_tokenizer_are_those_of_transformers() {
    let golden = folders();
    for case in golden.folders {
        let folder = tempfile::tempdir().unwrap();
        write_json(folder.path(), "tokenizer.json", &golden.tokenizer);
        for (file, content) in &case.files {
            write_json(folder.path(), file, content);
        }
        let tokenizer = Tokenizer::load(folder.path()).unwrap();
        for ((probe, ids), text) in golden.probes.iter().zip(&case.ids).zip(&case.decoded) {
            let ours = tokenizer.encode_with_special(probe).unwrap();
            assert_eq!(&ours, ids, "{}: {probe:?}", case.name);
            assert_eq!(&tokenizer.decode(ids).unwrap(), text, "{}", case.name);
        }
    }
}

#[test]
fn what_begins_and_ends_a_text_does_not_hang_on_its_letters() {
    for case in folders().digits {
        let folder = tempfile::tempdir().unwrap();
        write_json(folder.path(), "tokenizer.json", &case.tokenizer);
        let tokenizer = Tokenizer::load(folder.path()).unwrap();
        for (text, ids) in case.texts.iter().zip(&case.ids) {
            let bare = tokenizer.encode(text).unwrap();
            let ours = [tokenizer.prefix(), &bare, tokenizer.suffix()].concat();
            assert_eq!(&ours, ids, "{}", case.name);
        }
        let notes = tokenizer.notes();
        assert_eq!(notes.len(), usize::from(!tokenizer.suffix().is_empty()));
        assert!(
            notes.iter().all(|note| note.contains("`</s>`")),
            "{notes:?}"
        );
    }
}
