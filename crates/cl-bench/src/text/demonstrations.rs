//! Learning in the context instead of in the weights: examples in front of a test prompt.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use serde::{Deserialize, Serialize};
use treelora_core::Error;

use super::{
    dataset::TextTask, encoding::Encoding, prompt_text::PromptText, record::TextRecord,
    test_example::TextTestExample, tokenizer::Tokenizer,
};
use crate::stream::shuffled;

/// A task with more different training answers than this is no classification.
const MAX_CLASSES: usize = 20;

/// Training examples that are put in front of every test prompt (the FIX/ICL row of TRACE).
///
/// They come from the training split. TRACE takes them from the very file that is scored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Demonstrations {
    /// Examples of a prompt, at most; fewer where they don't fit.
    pub shots: usize,
    /// Tokens of a prompt with its examples, at most.
    pub max_prompt: usize,
    /// At most a third of the examples (rounded up) with the same answer, in classification tasks
    /// of three classes or more; a half with two.
    pub balanced: bool,
    /// Which examples are drawn.
    pub seed: u64,
}

/// Test prompts with examples in front.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DemonstratedPrompts {
    /// The prompts, in the order of the file. Their text is that of the file.
    pub examples: Vec<TextTestExample>,
    /// Number of examples in front of each.
    pub shots: Vec<usize>,
    /// Prompts that lost tokens, which leaves no room for examples.
    pub prompts_cut: usize,
}

impl Default for Demonstrations {
    fn default() -> Self {
        Self {
            shots: 6,
            max_prompt: 3584,
            balanced: true,
            seed: 1234,
        }
    }
}

impl Demonstrations {
    /// Check the settings.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key.
    pub fn validate(&self) -> Result<(), Error> {
        for (key, value) in [("shots", self.shots), ("max_prompt", self.max_prompt)] {
            if value == 0 {
                let problem = "0 leaves no example in front of a prompt";
                return Err(Error::setting(key, problem));
            }
        }
        Ok(())
    }

    /// The test prompts of a task, each with as many examples as fit; the same examples for all,
    /// but for those that ask exactly what the test prompt asks.
    ///
    /// `context` is what the model sees at once; the room that `encoding` leaves for an answer is
    /// kept free.
    ///
    /// # Errors
    /// When a setting does not fit, or from the tokenizer.
    pub fn prompts(
        &self,
        task: &TextTask,
        tokenizer: &Tokenizer,
        encoding: &Encoding,
        context: usize,
    ) -> Result<DemonstratedPrompts, Error> {
        let limits = Encoding {
            max_prompt: self.max_prompt,
            ..encoding.clone()
        };
        let limit = limits.limits(context)?.prompt;
        let pool = shuffled(
            &task.train.records.iter().collect::<Vec<_>>(),
            treelora_core::mix(&[self.seed]),
        );
        let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
        let mut prompts = DemonstratedPrompts::default();
        for record in &task.test.records {
            let picked = self.picked(&pool, &record.prompt);
            // A first guess, since tokens may join at the seams.
            let mut total = tokenizer.encode(&record.prompt)?.len();
            let mut shots = 0;
            for &index in &picked {
                if let Entry::Vacant(entry) = sizes.entry(index) {
                    entry.insert(tokenizer.encode(&shown(pool[index]))?.len());
                }
                total += sizes[&index];
                shots += usize::from(total <= limit);
            }
            let prompt = loop {
                let before: String = picked[..shots].iter().map(|&i| shown(pool[i])).collect();
                let text = before + &record.prompt;
                let prompt = PromptText {
                    about: record.text.clone().filter(|_| shots == 0),
                    whole: &text,
                };
                let prompt = encoding.prompt_of(tokenizer, prompt, limit)?;
                if prompt.cut == 0 || shots == 0 {
                    break prompt;
                }
                shots -= 1;
            };
            prompts.shots.push(shots);
            prompts.prompts_cut += usize::from(prompt.cut > 0);
            prompts.examples.push(TextTestExample {
                prompt_text: record.prompt.clone(),
                answer_text: record.answer.clone(),
                prompt_ids: prompt.ids,
            });
        }
        Ok(prompts)
    }

    /// The first of `pool` that may stand in front of `prompt`.
    fn picked(&self, pool: &[&TextRecord], prompt: &str) -> Vec<usize> {
        let answers: BTreeSet<&str> = pool.iter().map(|r| r.answer.as_str()).collect();
        let same = match answers.len() {
            2..=MAX_CLASSES if self.balanced => self.shots.div_ceil(answers.len().min(3)),
            _ => self.shots,
        };
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut picked = Vec::new();
        for (index, record) in pool.iter().enumerate() {
            if picked.len() == self.shots {
                break;
            }
            let count = counts.entry(&record.answer).or_default();
            if *count < same && record.prompt != prompt {
                *count += 1;
                picked.push(index);
            }
        }
        picked
    }
}

/// An example as it stands in front of a prompt.
fn shown(record: &TextRecord) -> String {
    format!("{}{}\n\n", record.prompt, record.answer)
}
