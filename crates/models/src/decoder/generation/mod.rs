//! Continuing prompts, several at once.

mod config;

mod sampling;

mod score_rules;

mod model_defaults;

use std::ops::ControlFlow;

use burn::{module::Module, tensor::DType};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use treelora_core::Error;

pub use config::GenerationConfig;
pub use model_defaults::GenerationDefaults;
pub use score_rules::ScoreRules;

use super::{Decoder, KeyValueCache, SharedPrefix, TokenGrid};

/// A prompt to continue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerationRequest {
    /// The tokens before.
    pub prompt: Vec<u32>,
    /// Stream of random numbers under the seed: the example's own number, so that it is continued alike whatever
    /// else is in its batch.
    pub stream: u64,
}

/// What follows a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// The new tokens, without the prompt and without the token that ended them.
    pub ids: Vec<u32>,
    /// Why there are no more.
    pub finish: Finish,
}

/// Why a continuation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// A token of [`GenerationConfig::stop_ids`] came, which this is.
    Stop(u32),
    /// [`GenerationConfig::max_new_tokens`] are there.
    Length,
    /// The context of the model is full.
    Context,
    /// Whoever heard of its last token wants no more, see [`Decoder::generate_behind`].
    Enough,
}

impl Decoder {
    /// Continue prompts, all in one batch.
    ///
    /// Prompts are padded on the left; keys and values are cached; rows that have ended leave the batch. `on_token`
    /// hears of every token that becomes part of a continuation as soon as it is chosen, with the index of its
    /// request. Deterministic under the seed: a row depends on its prompt and its stream, not on the other rows.
    ///
    /// The model answers as under [`Module::valid`]. Adapters that are selected by groups of rows cannot be used
    /// here, because rows leave the batch.
    ///
    /// # Errors
    /// When the settings are out of range, a prompt is empty, holds a token outside the vocabulary or is longer than
    /// the context, or the model scores a token with something that is no number.
    pub fn generate(
        &self,
        requests: &[GenerationRequest],
        config: &GenerationConfig,
        mut on_token: impl FnMut(usize, u32),
    ) -> Result<Vec<Generation>, Error> {
        self.generate_behind(&SharedPrefix::none(), requests, config, |index, id| {
            on_token(index, id);
            ControlFlow::Continue(())
        })
    }

    /// [`generate`](Self::generate) of prompts that all begin with `prefix`, which is of this very model and does not go
    /// through it again. A continuation ends with the token at which `on_token` breaks off.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// When a prompt does not begin with the prefix or has no other token.
    pub fn generate_behind(
        &self,
        prefix: &SharedPrefix,
        requests: &[GenerationRequest],
        config: &GenerationConfig,
        mut on_token: impl FnMut(usize, u32) -> ControlFlow<()>,
    ) -> Result<Vec<Generation>, Error> {
        config.validate()?;
        config.rules.check_vocabulary(self.config.vocab_size)?;
        for (index, request) in requests.iter().enumerate() {
            self.check_prompt(index, &request.prompt)?;
        }
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let model = self.valid();
        let context = model.config.max_position_embeddings;
        let mut generations = vec![Vec::new(); requests.len()];
        let mut finishes = vec![Finish::Length; requests.len()];
        let mut rows: Vec<Row> = requests
            .iter()
            .enumerate()
            .map(|(index, request)| Row::new(index, request, config.seed))
            .collect();
        let prompts = requests.iter().map(|request| request.prompt.as_slice());
        let (mut grid, mut cache) = prefix.before(&prompts.collect::<Vec<_>>(), &model.config);
        loop {
            let mut scores = model.scores_of_next(&grid, &mut cache);
            let of_rows = scores.chunks_exact_mut(model.config.vocab_size);
            let mut going = Vec::with_capacity(rows.len());
            let mut chosen = Vec::with_capacity(rows.len());
            for (at, (row, scores)) in rows.iter_mut().zip(of_rows).enumerate() {
                let prompt = &requests[row.index].prompt;
                let new = &generations[row.index];
                config.rules.apply(scores, prompt, new, &config.stop_ids);
                let id = config.choose(scores, &mut row.rng).ok_or_else(|| {
                    Error::Data(format!("prompt {}: a score is no number", row.index))
                })?;
                if config.stop_ids.contains(&id) {
                    finishes[row.index] = Finish::Stop(id);
                    continue;
                }
                generations[row.index].push(id);
                let wanted = on_token(row.index, id);
                row.length += 1;
                if wanted.is_break() {
                    finishes[row.index] = Finish::Enough;
                } else if generations[row.index].len() == config.max_new_tokens {
                    finishes[row.index] = Finish::Length;
                } else if row.length > context {
                    finishes[row.index] = Finish::Context;
                } else {
                    going.push(at);
                    chosen.push(id);
                }
            }
            if going.is_empty() {
                break;
            }
            if going.len() < rows.len() {
                cache = cache.select(&going);
                let mut stays = (0..rows.len()).map(|at| going.contains(&at));
                rows.retain(|_| stays.next().unwrap_or(false));
            }
            grid = TokenGrid::column(&chosen);
        }
        let ended = generations.into_iter().zip(finishes);
        Ok(ended
            .map(|(ids, finish)| Generation { ids, finish })
            .collect())
    }

    /// Scores of the token after the last column, those of each row behind those of the one before.
    fn scores_of_next(&self, grid: &TokenGrid, cache: &mut KeyValueCache) -> Vec<f32> {
        let last = self.last_hidden_cached(grid, cache);
        let scores = self.score(last).into_data();
        match scores.dtype() {
            DType::F32 => scores.try_into_vec().expect("the numbers are f32"),
            _ => scores.iter().collect(),
        }
    }

    fn check_prompt(&self, index: usize, prompt: &[u32]) -> Result<(), Error> {
        let context = self.config.max_position_embeddings;
        let vocabulary = self.config.vocab_size;
        let problem = match prompt.iter().find(|id| **id as usize >= vocabulary) {
            _ if prompt.is_empty() => "has no tokens".to_owned(),
            _ if prompt.len() > context => {
                let length = prompt.len();
                format!("has {length} tokens, the model's context holds {context}")
            }
            Some(id) => format!("holds token {id}, the vocabulary has {vocabulary}"),
            None => return Ok(()),
        };
        Err(Error::Data(format!("prompt {index} {problem}")))
    }
}

/// A request under way.
struct Row {
    /// Which request.
    index: usize,
    /// Tokens of the prompt and of the continuation so far.
    length: usize,
    rng: ChaCha8Rng,
}

impl Row {
    fn new(index: usize, request: &GenerationRequest, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(request.stream);
        Self {
            index,
            length: request.prompt.len(),
            rng,
        }
    }
}
