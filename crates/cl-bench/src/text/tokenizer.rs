//! Text to token ids and back, by the tokenizer of a model.

use std::path::{Path, PathBuf};

use treelora_core::Error;

use super::{bounded_file::read_bytes, chat_template::ChatTemplate, special_tokens::SpecialTokens};

/// A Hugging Face tokenizer, from the folder of a model.
///
/// Text that looks like a special token is one, as in transformers: Py150's `<s>` is LLaMA's
/// beginning of a text.
#[derive(Debug)]
pub struct Tokenizer {
    /// The model's folder, for messages and the chat template.
    folder: PathBuf,
    inner: tokenizers::Tokenizer,
    special: SpecialTokens,
    vocabulary: usize,
    prefix: Vec<u32>,
}

impl Tokenizer {
    /// Read `tokenizer.json`, and which tokens are special from the files beside it.
    ///
    /// # Errors
    /// When a file is missing or damaged; the message names it.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("tokenizer.json");
        let bytes = read_bytes(&path)?;
        let mut inner = parse(&bytes).map_err(|problem| Error::format(&path, problem))?;
        // Files may ask for both; here every text is encoded whole.
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|e| Error::format(&path, e.to_string()))?;
        let largest = inner.get_vocab(true).into_values().max();
        let Some(largest) = largest else {
            return Err(Error::format(&path, "the vocabulary is empty"));
        };
        let special = SpecialTokens::read(folder, |token| inner.token_to_id(token))?;
        let mut tokenizer = Self {
            folder: folder.to_owned(),
            inner,
            special,
            vocabulary: largest as usize + 1,
            prefix: Vec::new(),
        };
        tokenizer.prefix = tokenizer.find_prefix()?;
        Ok(tokenizer)
    }

    /// What the post-processor puts in front of a text.
    fn find_prefix(&self) -> Result<Vec<u32>, Error> {
        let (bare, full) = (self.encode("a")?, self.encode_with_special("a")?);
        let start = match bare.is_empty() {
            true => None,
            false => full.windows(bare.len()).position(|part| part == bare),
        };
        Ok(full[..start.unwrap_or(0)].to_vec())
    }

    /// Token ids of a text alone.
    ///
    /// # Errors
    /// When the tokenizer refuses the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        self.ids(self.inner.encode_fast(text, false))
    }

    /// Token ids of a text, with what the tokenizer adds before and after it.
    ///
    /// # Errors
    /// When the tokenizer refuses the text.
    pub fn encode_with_special(&self, text: &str) -> Result<Vec<u32>, Error> {
        self.ids(self.inner.encode_fast(text, true))
    }

    /// As [`encode`](Self::encode), of many texts.
    ///
    /// # Errors
    /// When the tokenizer refuses a text.
    pub fn encode_all(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>, Error> {
        let encoded = self
            .inner
            .encode_batch_fast(texts.to_vec(), false)
            .map_err(|e| self.error(&e.to_string()))?;
        encoded
            .into_iter()
            .map(|encoding| self.ids(Ok(encoding)))
            .collect()
    }

    /// The text of token ids, without special tokens; ids without a token are passed over, as in
    /// transformers (models may have more rows than there are tokens).
    ///
    /// # Errors
    /// When the decoder refuses.
    pub fn decode(&self, ids: &[u32]) -> Result<String, Error> {
        self.inner
            .decode(ids, true)
            .map_err(|e| self.error(&e.to_string()))
    }

    /// One more than the largest id: the rows that an embedding needs.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Tokens that are not text.
    pub fn special(&self) -> &SpecialTokens {
        &self.special
    }

    /// What the tokenizer itself puts in front of a text; empty for models without a beginning.
    pub fn prefix(&self) -> &[u32] {
        &self.prefix
    }

    /// Id of a token by its name.
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The frame that the model expects around a prompt.
    ///
    /// # Errors
    /// When the folder has no chat template, or a damaged one.
    pub fn chat_template(&self) -> Result<ChatTemplate, Error> {
        let name = |id: Option<u32>| id.and_then(|id| self.inner.id_to_token(id));
        let (bos, eos) = (name(self.special.bos), name(self.special.eos));
        ChatTemplate::read(
            &self.folder,
            &bos.unwrap_or_default(),
            &eos.unwrap_or_default(),
        )
    }

    /// Refuse a model that this tokenizer is not for: one with an embedding of fewer rows than
    /// there are ids, or one whose texts end (`eos`, empty where the model does not say) with other
    /// tokens.
    ///
    /// # Errors
    /// Naming the file and both numbers.
    pub fn check_model(&self, embeddings: usize, eos: &[u32]) -> Result<(), Error> {
        if self.vocabulary > embeddings {
            return Err(self.error(&format!(
                "a vocabulary of {}, but the embedding of the model has {embeddings} rows",
                self.vocabulary
            )));
        }
        for id in eos {
            if self.inner.id_to_token(*id).is_none() {
                return Err(self.error(&format!(
                    "a text of the model ends with token {id}, which the vocabulary lacks"
                )));
            }
        }
        match self.special.eos {
            Some(own) if !eos.is_empty() && !eos.contains(&own) => Err(self.error(&format!(
                "a text ends with token {own}, but one of the model with {eos:?}"
            ))),
            _ => Ok(()),
        }
    }

    /// The ids, each below the vocabulary.
    fn ids(
        &self,
        encoding: Result<tokenizers::Encoding, tokenizers::Error>,
    ) -> Result<Vec<u32>, Error> {
        let encoding = encoding.map_err(|e| self.error(&e.to_string()))?;
        let ids = encoding.get_ids().to_vec();
        match ids.iter().find(|id| **id as usize >= self.vocabulary) {
            // A post-processor may name an id of its own.
            Some(id) => Err(self.error(&format!(
                "token {id} of a vocabulary of {}",
                self.vocabulary
            ))),
            None => Ok(ids),
        }
    }

    fn error(&self, problem: &str) -> Error {
        Error::format(self.folder.join("tokenizer.json"), problem)
    }
}

/// The crate panics on some damaged files: on JSON that breaks off within a decoder, which is looked
/// for first, and on decoders of no known type.
fn parse(bytes: &[u8]) -> Result<tokenizers::Tokenizer, String> {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).map_err(|e| e.to_string())?;
    match std::panic::catch_unwind(|| tokenizers::Tokenizer::from_bytes(bytes)) {
        Ok(parsed) => parsed.map_err(|e| e.to_string()),
        Err(_) => Err("damaged: a part of it is of no known type".into()),
    }
}
