//! Against tokenizers and transformers: `text.json`, by xtask/golden/text.py.

use serde::Deserialize;
use serde_json::{Value, json};
use treelora_cl_bench::text::{BytePairTraining, Tokenizer};
use treelora_core::read_json;

use crate::{tiny_tokenizer, write_json};

#[derive(Deserialize)]
struct Golden {
    texts: Vec<String>,
    probes: Vec<String>,
    trained: Vec<Trained>,
    chats: Vec<Chat>,
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
            "bos_token": "<|bos|>", "eos_token": "<|eos|>", "chat_template": chat.template,
        });
        write_json(folder.path(), "tokenizer_config.json", &config);
        let tokenizer = Tokenizer::load(folder.path()).unwrap();
        let template = tokenizer.chat_template().unwrap();
        assert_eq!(template.render(&chat.prompt).unwrap(), chat.rendered);
    }
}
