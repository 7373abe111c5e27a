//! From a prompt and an answer to token ids of bounded length.

use serde::{Deserialize, Serialize};
use treelora_core::Error;

use super::{
    chat_template::ChatTemplate,
    date::Date,
    prompt_text::{PromptText, TruncationSide},
    record::TextRecord,
    tokenizer::Tokenizer,
};

/// How texts become token ids. The defaults are TRACE's: raw prompts of at most 1024 tokens that
/// lose their beginning (the tasks of O-LoRA lose the middle of their text instead), answers of at most 512.
///
/// Prompt and answer are encoded one by one, so that the answer's tokens are exactly those of the
/// answer, and a prompt has the same tokens in training and in generation. (TRACE encodes them as
/// one text and counts back from its end, which is off by one where a token spans both.)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Encoding {
    /// Tokens of a prompt, at most, with its beginning and a chat template's frame.
    pub max_prompt: usize,
    /// Tokens of an answer, at most, with its end; also room that is left for generation.
    pub max_answer: usize,
    /// Which part of a prompt is left out when it is too long.
    pub truncation: TruncationSide,
    /// What stands in front of a prompt.
    pub beginning: Beginning,
    /// Whether an answer ends with the end-of-text token. One that was cut never does.
    pub end: bool,
    /// Whether prompts are put into the model's chat template. TRACE doesn't.
    pub chat_template: bool,
    /// The day that a chat template may print, such as `2026-11-28`. Without one, a template prints what it has for
    /// this case, so that a run does not depend on the day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
}

/// What stands in front of a prompt. It stays when the prompt is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Beginning {
    /// What the tokenizer itself puts there: LLaMA's beginning-of-text token, nothing for Qwen.
    #[default]
    AsTokenizer,
    /// The beginning-of-text token.
    Token,
    /// Nothing.
    Nothing,
}

/// Largest numbers of tokens, adapted to the context of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenLimits {
    /// Of a prompt.
    pub prompt: usize,
    /// Of an answer.
    pub answer: usize,
}

/// A prompt as token ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedPrompt {
    /// The tokens.
    pub ids: Vec<u32>,
    /// How many tokens were left out.
    pub cut: usize,
}

/// A prompt and its answer as token ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedRecord {
    /// The prompt.
    pub prompt: EncodedPrompt,
    /// The tokens of the answer, which are what is learned.
    pub answer: Vec<u32>,
    /// How many tokens of the answer were left out.
    pub answer_cut: usize,
}

impl Default for Encoding {
    fn default() -> Self {
        Self {
            max_prompt: 1024,
            max_answer: 512,
            truncation: TruncationSide::default(),
            beginning: Beginning::default(),
            end: true,
            chat_template: false,
            date: None,
        }
    }
}

impl Encoding {
    /// The limits for a model that sees `context` tokens at once. An answer gets half of the
    /// context at most, the prompt what is left of it.
    ///
    /// # Errors
    /// When a limit is 0 or the context has no room.
    pub fn limits(&self, context: usize) -> Result<TokenLimits, Error> {
        for (key, limit) in [
            ("max_prompt", self.max_prompt),
            ("max_answer", self.max_answer),
        ] {
            if limit == 0 {
                return Err(Error::setting(key, "0 is not above 0"));
            }
        }
        if context < 2 {
            let problem =
                format!("a context of {context} tokens has no room for a prompt and an answer");
            return Err(Error::setting("max_prompt", problem));
        }
        let answer = self.max_answer.min(context / 2);
        Ok(TokenLimits {
            prompt: self.max_prompt.min(context - answer),
            answer,
        })
    }

    /// Prompts as token ids, each of at most `limit`.
    ///
    /// # Errors
    /// When the beginning is not in the vocabulary, the limit has no room for a token of a prompt,
    /// or from the tokenizer or the chat template.
    pub fn prompts(
        &self,
        tokenizer: &Tokenizer,
        texts: &[&str],
        limit: usize,
    ) -> Result<Vec<EncodedPrompt>, Error> {
        let prompts: Vec<PromptText<'_>> = texts.iter().map(|text| (*text).into()).collect();
        self.prompts_of(tokenizer, &prompts, limit)
    }

    fn prompts_of(
        &self,
        tokenizer: &Tokenizer,
        prompts: &[PromptText<'_>],
        limit: usize,
    ) -> Result<Vec<EncodedPrompt>, Error> {
        let frame = Frame::of(self, tokenizer)?;
        let room = limit.saturating_sub(frame.len());
        if room == 0 {
            let length = frame.len();
            let problem = format!("{limit} tokens, but {length} are the frame of every prompt");
            return Err(Error::setting("max_prompt", problem));
        }
        let shortened = |prompt: &PromptText<'_>| {
            let (ids, cut) = prompt.shortened(tokenizer, self.truncation, room)?;
            Ok(EncodedPrompt {
                cut,
                ids: frame.around(&ids),
            })
        };
        let Some(template) = &frame.template else {
            let texts: Vec<&str> = prompts.iter().map(|prompt| prompt.whole).collect();
            let bare = tokenizer.encode_all(&texts)?.into_iter().zip(prompts);
            return bare
                .map(|(ids, prompt)| match ids.len() <= room {
                    true => Ok(EncodedPrompt {
                        ids: frame.around(&ids),
                        cut: 0,
                    }),
                    false => shortened(prompt),
                })
                .collect();
        };
        let whole: Vec<String> = prompts
            .iter()
            .map(|prompt| template.render(prompt.whole))
            .collect::<Result<_, _>>()?;
        let whole: Vec<&str> = whole.iter().map(String::as_str).collect();
        let whole = tokenizer.encode_all(&whole)?.into_iter().zip(prompts);
        whole
            .map(|(ids, prompt)| match ids.len() <= limit {
                true => Ok(EncodedPrompt { ids, cut: 0 }),
                false => shortened(&prompt.trimmed()),
            })
            .collect()
    }

    /// As [`prompts`](Self::prompts), of one text.
    ///
    /// # Errors
    /// As [`prompts`](Self::prompts).
    pub fn prompt(
        &self,
        tokenizer: &Tokenizer,
        text: &str,
        limit: usize,
    ) -> Result<EncodedPrompt, Error> {
        self.prompt_of(tokenizer, text.into(), limit)
    }

    pub(super) fn prompt_of(
        &self,
        tokenizer: &Tokenizer,
        prompt: PromptText<'_>,
        limit: usize,
    ) -> Result<EncodedPrompt, Error> {
        let mut prompts = self.prompts_of(tokenizer, &[prompt], limit)?;
        Ok(prompts.swap_remove(0))
    }

    /// Answers among which a model chooses, as the token ids that it would write: those of training.
    ///
    /// They end with the end-of-text token where one begins with all tokens of another, all of them then, so that both
    /// are whole; labels of which none begins another are told apart without it.
    ///
    /// # Errors
    /// When a label has no token or more than `limit`, when two are the same tokens, and when one begins another and
    /// there is no end-of-text token.
    pub fn labels(
        &self,
        tokenizer: &Tokenizer,
        labels: &[String],
        limit: usize,
    ) -> Result<Vec<Vec<u32>>, Error> {
        let texts: Vec<&str> = labels.iter().map(String::as_str).collect();
        let mut ids = tokenizer.encode_all(&texts)?;
        if let Some(empty) = ids.iter().position(Vec::is_empty) {
            let problem = format!("the label {:?} has no token", labels[empty]);
            return Err(Error::Data(problem));
        }
        let pairs = (0..ids.len()).flat_map(|a| (0..ids.len()).map(move |b| (a, b)));
        let mut begun = pairs.filter(|&(a, b)| a != b && ids[b].starts_with(&ids[a]));
        if let Some((a, b)) = begun.next() {
            let (first, second) = (&labels[a], &labels[b]);
            if let Some((a, b)) = [(a, b)]
                .into_iter()
                .chain(begun)
                .find(|&(a, b)| ids[a] == ids[b])
            {
                let (first, second) = (&labels[a], &labels[b]);
                let problem = format!("the labels {first:?} and {second:?} are the same tokens");
                return Err(Error::Data(problem));
            }
            let end = tokenizer.special().eos.ok_or_else(|| {
                Error::Data(format!(
                    "the label {second:?} begins with the label {first:?}, and the tokenizer has no end-of-text \
                     token that would tell them apart"
                ))
            })?;
            ids.iter_mut().for_each(|ids| ids.push(end));
        }
        match ids.iter().position(|ids| ids.len() > limit) {
            None => Ok(ids),
            Some(long) => Err(Error::Data(format!(
                "the label {:?} has {} tokens, an answer {limit} at most",
                labels[long],
                ids[long].len()
            ))),
        }
    }

    /// Records as token ids.
    ///
    /// # Errors
    /// As [`prompts`](Self::prompts); when an answer has no token, or should end with a token that
    /// the tokenizer lacks.
    pub fn records(
        &self,
        tokenizer: &Tokenizer,
        records: &[TextRecord],
        limits: TokenLimits,
    ) -> Result<Vec<EncodedRecord>, Error> {
        let end = match (self.end, tokenizer.special().eos) {
            (false, _) => None,
            (true, Some(eos)) => Some(eos),
            (true, None) => {
                let problem = "the tokenizer has no end-of-text token; `end = false` does without";
                return Err(Error::setting("end", problem));
            }
        };
        let prompts: Vec<PromptText<'_>> = records.iter().map(PromptText::from).collect();
        let answers: Vec<&str> = records.iter().map(|r| r.answer.as_str()).collect();
        let prompts = self.prompts_of(tokenizer, &prompts, limits.prompt)?;
        let answers = tokenizer.encode_all(&answers)?;
        prompts
            .into_iter()
            .zip(answers)
            .enumerate()
            .map(|(number, (prompt, mut answer))| {
                if answer.is_empty() {
                    return Err(Error::Data(format!(
                        "record {number} (from 0): the answer {:?} has no token",
                        records[number].answer
                    )));
                }
                answer.extend(end);
                let answer_cut = answer.len().saturating_sub(limits.answer);
                answer.truncate(limits.answer);
                Ok(EncodedRecord {
                    prompt,
                    answer,
                    answer_cut,
                })
            })
            .collect()
    }
}

/// What stands around every prompt.
struct Frame {
    template: Option<ChatTemplate>,
    before: Vec<u32>,
    after: Vec<u32>,
}

impl Frame {
    fn of(encoding: &Encoding, tokenizer: &Tokenizer) -> Result<Self, Error> {
        if encoding.chat_template {
            let template = tokenizer.chat_template()?;
            let template = match encoding.date {
                Some(date) => template.with_date(date),
                None => template,
            };
            let (before, after) = template.frame()?;
            return Ok(Self {
                before: tokenizer.encode(&before)?,
                after: tokenizer.encode(&after)?,
                template: Some(template),
            });
        }
        let before = match encoding.beginning {
            Beginning::AsTokenizer => tokenizer.prefix().to_vec(),
            Beginning::Nothing => Vec::new(),
            Beginning::Token => match tokenizer.special().bos {
                Some(bos) => vec![bos],
                None => {
                    let problem = "the tokenizer has no beginning-of-text token";
                    return Err(Error::setting("beginning", problem));
                }
            },
        };
        Ok(Self {
            template: None,
            before,
            after: Vec::new(),
        })
    }

    fn len(&self) -> usize {
        self.before.len() + self.after.len()
    }

    fn around(&self, ids: &[u32]) -> Vec<u32> {
        [&self.before, ids, &self.after].concat()
    }
}
