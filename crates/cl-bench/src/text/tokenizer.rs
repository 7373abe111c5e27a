//! Text to token ids and back, by the tokenizer of a model.

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use treelora_core::{Error, parse_json};

use super::{
    added_tokens,
    chat_template::ChatTemplate,
    special_tokens::SpecialTokens,
    token_names::TokenNames,
    tokenizer_files::{FILE, TokenizerFiles},
};

/// A Hugging Face tokenizer, from the folder of a model or out of the metadata of a GGUF file.
///
/// Text that looks like a special token is one, as in transformers: Py150's `<s>` is LLaMA's
/// beginning of a text.
#[derive(Debug)]
pub struct Tokenizer {
    /// For messages and the chat template.
    files: TokenizerFiles,
    inner: tokenizers::Tokenizer,
    names: TokenNames,
    special: SpecialTokens,
    vocabulary: usize,
    /// Rows that `tokenizer.json` alone needs.
    own_vocabulary: usize,
    /// Rows of the model's embedding, once it is known.
    rows: usize,
    prefix: Vec<u32>,
    suffix: Vec<u32>,
}

impl Tokenizer {
    /// Read `tokenizer.json`, and further tokens and which are special from the files beside it; `folder` may be a GGUF
    /// file too, whose metadata tell the same.
    ///
    /// # Errors
    /// When a file is missing or damaged, a vocabulary is of a kind that is not read, or two give a token or an id differently; the message names them.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let files = TokenizerFiles::at(folder)?;
        let path = files.path_of(FILE);
        let text = files.tokenizer_json()?;
        let mut inner = parse(&text).map_err(|problem| Error::format(&path, problem))?;
        // Files may ask for both; here every text is encoded whole.
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|e| Error::format(&path, e.to_string()))?;
        let rows = |inner: &tokenizers::Tokenizer| {
            let largest = inner.get_vocab(true).into_values().max();
            largest
                .map(|largest| largest as usize + 1)
                .ok_or_else(|| Error::format(&path, "the vocabulary is empty"))
        };
        let own_vocabulary = rows(&inner)?;
        let names = TokenNames::read(&files)?;
        let inner = added_tokens::extend(inner, &files, &names)?;
        let vocabulary = rows(&inner)?;
        let special = SpecialTokens::read(&files, &names, |token| inner.token_to_id(token))?;
        let mut tokenizer = Self {
            files,
            inner,
            names,
            special,
            vocabulary,
            own_vocabulary,
            rows: usize::MAX,
            prefix: Vec::new(),
            suffix: Vec::new(),
        };
        (tokenizer.prefix, tokenizer.suffix) = tokenizer.fixed_parts()?;
        Ok(tokenizer)
    }

    /// What the post-processor puts before and after a text, seen on a token that no vocabulary has, so that it does
    /// not matter which letters this one knows.
    fn fixed_parts(&self) -> Result<(Vec<u32>, Vec<u32>), Error> {
        const PROBE: u32 = u32::MAX;
        let probe = tokenizers::Token::new(PROBE, "a".to_owned(), (0, 1));
        let bare = tokenizers::Encoding::from_tokens(vec![probe], 0);
        // The crate panics on a template with a token that it does not define.
        let full = catch_unwind(AssertUnwindSafe(|| {
            self.inner.post_process(bare, None, true)
        }));
        let full = full
            .map_err(|_| self.error("the post-processor names a token that it does not define"))?
            .map_err(|e| self.error(&e.to_string()))?;
        let mut parts = full.get_ids().split(|id| *id == PROBE);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(before), Some(after), None) => {
                Ok((self.known(before.to_vec())?, self.known(after.to_vec())?))
            }
            _ => Err(self.error(
                "the post-processor does not leave a text once in its place, so that what \
                 begins and ends it cannot be told",
            )),
        }
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

    /// As [`encode`](Self::encode), with the bytes of the text that each token stands for.
    ///
    /// # Errors
    /// When the tokenizer refuses the text.
    pub fn encode_with_places(&self, text: &str) -> Result<Vec<(u32, Range<usize>)>, Error> {
        let encoding = self.inner.encode(text, false);
        let encoding = encoding.map_err(|e| self.error(&e.to_string()))?;
        let places: Vec<_> = encoding.get_offsets().to_vec();
        let ids = self.ids(Ok(encoding))?.into_iter();
        Ok(ids
            .zip(places)
            .map(|(id, (start, end))| (id, start..end))
            .collect())
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

    /// What the text of every continuation of `ids` begins with: their own [text](Self::decode), less what may be a
    /// part of a character whose other bytes have not come yet.
    ///
    /// # Errors
    /// When the decoder refuses.
    pub fn decode_beginning(&self, ids: &[u32]) -> Result<String, Error> {
        let mut whole = ids;
        // Single bytes in a row become characters, or none of them does.
        while let Some((last, before)) = whole.split_last()
            && (self.is_byte(*last) || self.decode(&[*last])?.is_empty())
        {
            whole = before;
        }
        let text = self.decode(whole)?;
        Ok(text
            .trim_end_matches(char::REPLACEMENT_CHARACTER)
            .to_owned())
    }

    /// Whether a token is a single byte, `<0x41>`.
    fn is_byte(&self, id: u32) -> bool {
        let token = self.inner.id_to_token(id);
        token.is_some_and(|token| token.starts_with("<0x") && token.ends_with('>'))
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

    /// What the tokenizer itself puts behind a text. Prompts do without it, because an answer follows.
    pub fn suffix(&self) -> &[u32] {
        &self.suffix
    }

    /// What is done otherwise here than the files say, a sentence each.
    pub fn notes(&self) -> Vec<String> {
        let name = |id: &u32| {
            self.inner
                .id_to_token(*id)
                .unwrap_or_else(|| id.to_string())
        };
        match self.suffix.as_slice() {
            [] => Vec::new(),
            suffix => vec![format!(
                "{}: it ends every text with `{}`; prompts are left open, because an answer follows",
                self.files.path_of(FILE).display(),
                suffix.iter().map(name).collect::<String>()
            )],
        }
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
        let named = self.names.named.iter();
        let named = named.map(|(key, token)| (key.clone(), token.content.clone()));
        ChatTemplate::read(&self.files, named.collect())
    }

    /// The tokenizer of a model with an embedding of `embeddings` rows. Tokens that only the files beside
    /// `tokenizer.json` name may lie beyond it, as a padding token often does: they are refused where a text has them.
    ///
    /// # Errors
    /// As [`check_model`](Self::check_model).
    pub fn of_model(self, embeddings: usize, eos: &[u32]) -> Result<Self, Error> {
        self.check_model(embeddings, eos)?;
        Ok(Self {
            rows: embeddings,
            ..self
        })
    }

    /// Refuse a model that this tokenizer is not for: one with an embedding of fewer rows than
    /// `tokenizer.json` has ids, or one whose texts end (`eos`, empty where the model does not say) with a token that
    /// is not there. That the tokenizer itself names another end is usual: a text ends at each of them.
    ///
    /// # Errors
    /// Naming the file and both numbers.
    pub fn check_model(&self, embeddings: usize, eos: &[u32]) -> Result<(), Error> {
        if self.own_vocabulary > embeddings {
            return Err(self.error(&format!(
                "a vocabulary of {}, but the embedding of the model has {embeddings} rows",
                self.own_vocabulary
            )));
        }
        for id in eos {
            if self.inner.id_to_token(*id).is_none() {
                return Err(self.error(&format!(
                    "a text of the model ends with token {id}, which the vocabulary lacks"
                )));
            }
        }
        Ok(())
    }

    fn ids(
        &self,
        encoding: Result<tokenizers::Encoding, tokenizers::Error>,
    ) -> Result<Vec<u32>, Error> {
        let encoding = encoding.map_err(|e| self.error(&e.to_string()))?;
        self.known(encoding.get_ids().to_vec())
    }

    /// The ids, each in the vocabulary and in the model.
    fn known(&self, ids: Vec<u32>) -> Result<Vec<u32>, Error> {
        let rows = self.rows.min(self.vocabulary);
        let Some(id) = ids.iter().find(|id| **id as usize >= rows) else {
            return Ok(ids);
        };
        Err(self.error(&match self.inner.id_to_token(*id) {
            Some(token) => format!(
                "the text has the token `{token}` of id {id}, but the embedding of the model has {rows} rows"
            ),
            // A post-processor may name an id of its own.
            None => format!("token {id} of a vocabulary of {}", self.vocabulary),
        }))
    }

    fn error(&self, problem: &str) -> Error {
        Error::format(self.files.path_of(FILE), problem)
    }
}

/// The crate panics on some damaged files: on JSON that breaks off within a decoder, which is looked
/// for first, and on decoders of no known type.
fn parse(text: &str) -> Result<tokenizers::Tokenizer, String> {
    parse_json::<serde::de::IgnoredAny>(text)?;
    match catch_unwind(|| tokenizers::Tokenizer::from_bytes(text)) {
        Ok(parsed) => parsed.map_err(|e| e.to_string()),
        Err(_) => Err("damaged: a part of it is of no known type".into()),
    }
}
