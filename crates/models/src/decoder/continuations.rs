//! How likely given continuations of a prompt are.

use burn::{
    module::Module,
    tensor::{Int, Tensor, TensorData, activation::log_softmax},
};
use treelora_core::Error;

use super::{Decoder, KeyValueCache, SharedPrefix, TokenGrid};

/// Rows that go through the model together behind the prompts, at least: each has a copy of its prompt's keys and
/// values, so that they are not all taken at once.
const FEWEST_ROWS: usize = 8;

/// The likelihood of a continuation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ContinuationScore {
    /// Natural logarithm of its probability, given the prompt.
    pub log_likelihood: f64,
    /// Its tokens.
    pub tokens: usize,
}

impl ContinuationScore {
    /// The logarithm a token.
    pub fn mean(&self) -> f64 {
        self.log_likelihood / self.tokens as f64
    }
}

impl Decoder {
    /// How likely each of `continuations` is after each of `prompts`: a list a prompt, in the order of the
    /// continuations.
    ///
    /// Each prompt goes through the model once; all continuations read its keys and values. The prompts, all in one
    /// batch, are padded on the left; a score depends on its own prompt and continuation, not on the others. The model
    /// answers as under [`Module::valid`]. Adapters that are selected by groups of rows cannot be used here.
    ///
    /// # Errors
    /// When a prompt or a continuation is empty or holds a token outside the vocabulary, when both are longer than the
    /// context, or the model scores a token with something that is no number.
    pub fn score_continuations(
        &self,
        prompts: &[&[u32]],
        continuations: &[Vec<u32>],
    ) -> Result<Vec<Vec<ContinuationScore>>, Error> {
        self.score_continuations_behind(&SharedPrefix::none(), prompts, continuations)
    }

    /// [`score_continuations`](Self::score_continuations) of prompts that all begin with `prefix`, which is of this very
    /// model and does not go through it again.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// When a prompt does not begin with the prefix or has no other token.
    pub fn score_continuations_behind(
        &self,
        prefix: &SharedPrefix,
        prompts: &[&[u32]],
        continuations: &[Vec<u32>],
    ) -> Result<Vec<Vec<ContinuationScore>>, Error> {
        self.check_continuations(prompts, continuations)?;
        if prompts.is_empty() || continuations.is_empty() {
            return Ok(vec![Vec::new(); prompts.len()]);
        }
        let model = self.valid();
        let (grid, mut cache) = prefix.before(prompts, &model.config);
        let hidden = model.hidden_cached(&grid, &mut cache);
        let last = hidden.narrow(1, grid.positions() - 1, 1);
        let first = log_softmax(model.score(last.squeeze_dim::<2>(1)), 1);
        let firsts: Vec<usize> = continuations.iter().map(|ids| ids[0] as usize).collect();
        let first = first.select(1, indices(&firsts, &model)).into_data();
        let mut sums: Vec<f64> = first.iter::<f32>().map(f64::from).collect();

        // Continuations of similar length share a batch, so that little of it is padding.
        let mut longer: Vec<usize> = (0..continuations.len()).collect();
        longer.retain(|&index| continuations[index].len() > 1);
        longer.sort_by_key(|&index| continuations[index].len());
        let pairs: Vec<(usize, usize)> = longer
            .iter()
            .flat_map(|&index| (0..prompts.len()).map(move |prompt| (prompt, index)))
            .collect();
        for pairs in pairs.chunks(prompts.len().max(FEWEST_ROWS)) {
            let rests = model.score_rests(pairs, continuations, &cache);
            for (&(prompt, index), rest) in pairs.iter().zip(rests) {
                sums[prompt * continuations.len() + index] += rest;
            }
        }
        if let Some(bad) = sums.iter().position(|sum| sum.is_nan()) {
            let prompt = bad / continuations.len();
            let problem = format!("prompt {prompt}: the score of a continuation is no number");
            return Err(Error::Data(problem));
        }
        let rows = sums.chunks_exact(continuations.len());
        Ok(rows
            .map(|sums| {
                let scores = sums.iter().zip(continuations);
                let scores = scores.map(|(&log_likelihood, ids)| ContinuationScore {
                    log_likelihood,
                    tokens: ids.len(),
                });
                scores.collect()
            })
            .collect())
    }

    /// The logarithm of the probability of each pair's continuation, given its prompt, in the cache, and the
    /// continuation's first token.
    fn score_rests(
        &self,
        pairs: &[(usize, usize)],
        continuations: &[Vec<u32>],
        cache: &KeyValueCache,
    ) -> Vec<f64> {
        let prompts: Vec<usize> = pairs.iter().map(|(prompt, _)| *prompt).collect();
        let ids = |&(_, index): &(usize, usize)| continuations[index].as_slice();
        let read: Vec<&[u32]> = pairs
            .iter()
            .map(|pair| &ids(pair)[..ids(pair).len() - 1])
            .collect();
        let grid = TokenGrid::right_padded(&read);
        let hidden = self.hidden_cached(&grid, &mut cache.clone().select(&prompts));
        let [rows, columns, width] = hidden.dims();
        let (mut places, mut targets, mut owners) = (Vec::new(), Vec::new(), Vec::new());
        for (row, pair) in pairs.iter().enumerate() {
            for (column, id) in ids(pair)[1..].iter().enumerate() {
                places.push(row * columns + column);
                targets.push(*id as usize);
                owners.push(row);
            }
        }
        let hidden = hidden.reshape([rows * columns, width]);
        let hidden = hidden.select(0, indices(&places, self));
        let targets = indices(&targets, self).reshape([owners.len(), 1]);
        let likelihoods = log_softmax(self.score(hidden), 1).gather(1, targets);
        let mut sums = vec![0.0; rows];
        for (owner, likelihood) in owners.iter().zip(likelihoods.into_data().iter::<f32>()) {
            sums[*owner] += f64::from(likelihood);
        }
        sums
    }

    fn check_continuations(
        &self,
        prompts: &[&[u32]],
        continuations: &[Vec<u32>],
    ) -> Result<(), Error> {
        let (context, vocabulary) = (self.config.max_position_embeddings, self.config.vocab_size);
        let check = |what: &str, index: usize, ids: &[u32]| {
            let problem = match ids.iter().find(|id| **id as usize >= vocabulary) {
                _ if ids.is_empty() => "has no tokens".to_owned(),
                Some(id) => format!("holds token {id}, the vocabulary has {vocabulary}"),
                None => return Ok(()),
            };
            Err(Error::Data(format!("{what} {index} {problem}")))
        };
        let longest = continuations.iter().map(Vec::len).max().unwrap_or(0);
        for (index, ids) in continuations.iter().enumerate() {
            check("continuation", index, ids)?;
        }
        for (index, prompt) in prompts.iter().enumerate() {
            check("prompt", index, prompt)?;
            // The last token is predicted, not read.
            let read = prompt.len() + longest.saturating_sub(1);
            if read > context {
                return Err(Error::Data(format!(
                    "prompt {index} and the longest continuation have {read} tokens to read, the model's context holds \
                     {context}"
                )));
            }
        }
        Ok(())
    }
}

fn indices(values: &[usize], model: &Decoder) -> Tensor<1, Int> {
    let values: Vec<i64> = values.iter().map(|value| *value as i64).collect();
    let length = values.len();
    Tensor::from_data(TensorData::new(values, [length]), &model.device())
}
