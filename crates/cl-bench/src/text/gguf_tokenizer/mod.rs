//! A tokenizer out of the metadata of a GGUF file, as the files of Hugging Face's that say the same.

mod vocabulary;

mod pre_tokenizers;

mod byte_pairs;

mod sentence_pieces;

mod post_processor;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use treelora_core::{Error, GgufFile};

use vocabulary::{BEGINNING, END, UNKNOWN, Vocabulary};

/// The key that names the kind of the vocabulary.
const MODEL: &str = "tokenizer.ggml.model";
const TEMPLATE: &str = "tokenizer.chat_template";

/// The tokens that Hugging Face names, and where their ids are.
const NAMED: [(&str, &str); 4] = [
    ("bos_token", BEGINNING),
    ("eos_token", END),
    ("unk_token", UNKNOWN),
    ("pad_token", "tokenizer.ggml.padding_token_id"),
];

/// Further tokens that end a generation, by their ids.
const FURTHER_ENDS: [&str; 2] = ["tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"];
/// Those that do so whatever the file says, as in llama.cpp: many converters write one end alone.
const ENDS_BY_NAME: [&str; 7] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|eom_id|>",
    "<EOT>",
];

/// What a GGUF file says of its tokenizer.
#[derive(Debug)]
pub(super) struct GgufTokenizer {
    path: PathBuf,
    /// `tokenizer_config.json`.
    config: Value,
    /// `generation_config.json`.
    generation: Value,
}

/// How the vocabulary is used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Bytes as letters, joined by a list of merges.
    BytePairs,
    /// Characters joined by the scores of what comes about, bytes where there is none.
    SentencePieces,
}

impl GgufTokenizer {
    /// Read everything but the vocabulary.
    ///
    /// # Errors
    /// When the file is damaged, has no tokenizer or one of a kind that is not read; the message names file and key.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let file = GgufFile::open(path)?;
        Kind::of(&file)?;
        let vocabulary = Vocabulary::read(&file)?;
        let mut config = Map::new();
        for (name, key) in NAMED {
            if let Some(id) = vocabulary.id(&file, key)? {
                config.insert(name.to_owned(), json!(vocabulary.tokens[id]));
            }
        }
        if let Some(template) = file.text(TEMPLATE)? {
            config.insert("chat_template".to_owned(), json!(template));
        }
        let mut ends = Vec::new();
        for key in [END].into_iter().chain(FURTHER_ENDS) {
            ends.extend(vocabulary.id(&file, key)?);
        }
        let named = vocabulary.tokens.iter().enumerate();
        let named = named.filter(|(_, token)| ENDS_BY_NAME.contains(&token.as_str()));
        ends.extend(named.map(|(id, _)| id));
        Ok(Self {
            path: path.to_owned(),
            config: Value::Object(config),
            generation: json!({ "eos_token_id": ends }),
        })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A file of Hugging Face's that the metadata stand for.
    pub(super) fn json(&self, name: &str) -> Option<&Value> {
        match name {
            "tokenizer_config.json" => Some(&self.config),
            "generation_config.json" => Some(&self.generation),
            _ => None,
        }
    }

    /// `tokenizer.json`.
    ///
    /// # Errors
    /// When a key is missing or does not fit the others.
    pub(super) fn tokenizer_json(&self) -> Result<String, Error> {
        let file = GgufFile::open(&self.path)?;
        let vocabulary = Vocabulary::read(&file)?;
        let value = match Kind::of(&file)? {
            Kind::BytePairs => byte_pairs::tokenizer(&file, &vocabulary),
            Kind::SentencePieces => sentence_pieces::tokenizer(&file, &vocabulary),
        };
        Ok(value?.to_string())
    }
}

impl Kind {
    fn of(file: &GgufFile) -> Result<Self, Error> {
        let name = file.text(MODEL)?.ok_or_else(|| file.missing(MODEL))?;
        match name {
            "gpt2" => Ok(Self::BytePairs),
            "llama" => Ok(Self::SentencePieces),
            other => {
                let problem = format!("`{MODEL}` is `{other}`, read are gpt2, llama");
                Err(file.error(problem).into())
            }
        }
    }
}
