//! Documents as sequences that fill a model's context.

use treelora_core::Error;

use super::{corpus::Corpus, tokenizer::Tokenizer};
use crate::stream::shuffled;

/// Documents one after another, cut every `context` tokens.
///
/// Each document has in front what the tokenizer puts before a text, and the end-of-text token
/// behind. A sequence may hold several documents or a part of one; attention does not stop at
/// their borders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedText {
    /// What is learned: sequences of token ids.
    pub train: Vec<Vec<u32>>,
    /// What only validates.
    pub held_out: Vec<Vec<u32>>,
}

/// Fewest tokens of a sequence: one to read, one to predict.
const SHORTEST: usize = 2;

impl PackedText {
    /// Pack the documents in an order of the seed, and hold out the last `share` of the sequences,
    /// at least one unless the share is 0.
    ///
    /// # Errors
    /// When the tokenizer has no end-of-text token or refuses a text, or nothing is left to learn.
    pub fn new(
        corpus: &Corpus,
        tokenizer: &Tokenizer,
        context: usize,
        share: f64,
        seed: u64,
    ) -> Result<Self, Error> {
        let Some(end) = tokenizer.special().eos else {
            let problem = "the tokenizer has no end-of-text token, which separates the documents";
            return Err(Error::Data(problem.into()));
        };
        let parts: Vec<&str> = corpus.texts().collect();
        let mut encoded = tokenizer.encode_all(&parts)?.into_iter();
        let documents: Vec<Vec<u32>> = corpus
            .documents
            .iter()
            .map(|document| {
                let parts = encoded.by_ref().take(document.parts.len()).flatten();
                let start = tokenizer.prefix().iter().copied();
                start.chain(parts).chain([end]).collect()
            })
            .collect();
        let tokens = shuffled(&documents, seed).concat();
        let mut train: Vec<Vec<u32>> = tokens
            .chunks(context)
            .filter(|sequence| sequence.len() >= SHORTEST)
            .map(<[u32]>::to_vec)
            .collect();
        let count = match share > 0.0 {
            true => ((train.len() as f64 * share).round() as usize).max(1),
            false => 0,
        };
        if count >= train.len() {
            let problem = format!(
                "{count} of the {} sequences of {context} tokens are held out: nothing is left to \
                 learn",
                train.len()
            );
            return Err(Error::setting("held_out", problem));
        }
        let held_out = train.split_off(train.len() - count);
        Ok(Self { train, held_out })
    }
}

/// Tokens that are predicted in `sequences`: all but the first of each.
pub fn predicted_tokens(sequences: &[Vec<u32>]) -> usize {
    sequences.iter().map(|sequence| sequence.len() - 1).sum()
}
