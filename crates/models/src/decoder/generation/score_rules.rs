//! What a model's files ask of a generation beyond its scores.

use serde::{Deserialize, Serialize};
use treelora_core::Error;

/// Changes to the scores of the next token before one is chosen, in the order and by the rules of transformers'
/// logits processors. The default changes nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScoreRules {
    /// Added to the score of a sequence's last token where the ones before it stand at the end of the text.
    pub sequence_bias: Vec<(Vec<u32>, f64)>,
    /// Scores of tokens that the prompt or the continuation has are divided by it, negative ones multiplied (Keskar
    /// et al. 2019, CTRL); 1 for none.
    pub repetition_penalty: f64,
    /// No sequence of so many tokens comes twice, the prompt counted; 0 for none.
    pub no_repeat_ngram_size: usize,
    /// Sequences that never come about.
    pub bad_words_ids: Vec<Vec<u32>>,
    /// Tokens of prompt and continuation before a text may end.
    pub min_length: usize,
    /// Tokens of the continuation before a text may end.
    pub min_new_tokens: usize,
    /// Tokens that never come.
    pub suppress_tokens: Vec<u32>,
    /// Tokens that do not come first.
    pub begin_suppress_tokens: Vec<u32>,
}

impl Default for ScoreRules {
    fn default() -> Self {
        Self {
            sequence_bias: Vec::new(),
            repetition_penalty: 1.0,
            no_repeat_ngram_size: 0,
            bad_words_ids: Vec::new(),
            min_length: 0,
            min_new_tokens: 0,
            suppress_tokens: Vec::new(),
            begin_suppress_tokens: Vec::new(),
        }
    }
}

impl ScoreRules {
    /// Check that every number is in range.
    ///
    /// # Errors
    /// [`Error::Setting`] that names the first one that is not.
    pub(super) fn validate(&self) -> Result<(), Error> {
        let penalty = self.repetition_penalty;
        if !(penalty.is_finite() && penalty > 0.0) {
            let problem = format!("is {penalty}, must be above 0");
            return Err(Error::setting("repetition_penalty", problem));
        }
        if let Some((_, bias)) = self.sequence_bias.iter().find(|(_, bias)| bias.is_nan()) {
            return Err(Error::setting("sequence_bias", format!("is {bias}")));
        }
        let empty = [
            (
                "bad_words_ids",
                self.bad_words_ids.iter().any(Vec::is_empty),
            ),
            (
                "sequence_bias",
                self.sequence_bias.iter().any(|(ids, _)| ids.is_empty()),
            ),
        ];
        match empty.into_iter().find(|(_, empty)| *empty) {
            Some((key, _)) => Err(Error::setting(key, "has a sequence of no token")),
            None => Ok(()),
        }
    }

    /// Check that the sequences are of tokens of a vocabulary.
    ///
    /// # Errors
    /// [`Error::Setting`] that names key, token and vocabulary.
    pub(super) fn check_vocabulary(&self, vocabulary: usize) -> Result<(), Error> {
        let biased = self.sequence_bias.iter().map(|(ids, _)| ids);
        let biased = biased.flatten().map(|id| ("sequence_bias", id));
        let bad = self.bad_words_ids.iter().flatten();
        let mut ids = biased.chain(bad.map(|id| ("bad_words_ids", id)));
        match ids.find(|(_, id)| **id as usize >= vocabulary) {
            Some((key, id)) => {
                let problem = format!("has token {id}, the vocabulary has {vocabulary}");
                Err(Error::setting(key, problem))
            }
            None => Ok(()),
        }
    }

    /// Change the scores of the token after `prompt` and `new`; `ends` are the tokens that end a text.
    pub(super) fn apply(&self, scores: &mut [f32], prompt: &[u32], new: &[u32], ends: &[u32]) {
        if *self == Self::default() {
            return;
        }
        let text = [prompt, new].concat();
        self.add_bias(scores, &text);
        if self.repetition_penalty != 1.0 {
            penalise(scores, &text, self.repetition_penalty as f32);
        }
        if self.no_repeat_ngram_size > 0 {
            forbid(scores, &repeated(&text, self.no_repeat_ngram_size));
        }
        let bad = self
            .bad_words_ids
            .iter()
            .filter(|ids| match ids.as_slice() {
                [id] => !ends.contains(id),
                _ => true,
            });
        let bad = bad.filter_map(|ids| completed_by(&text, ids));
        forbid(scores, &bad.collect::<Vec<_>>());
        if text.len() < self.min_length || new.len() < self.min_new_tokens {
            forbid(scores, ends);
        }
        forbid(scores, &self.suppress_tokens);
        if new.is_empty() {
            forbid(scores, &self.begin_suppress_tokens);
        }
    }

    /// Biases of one token are summed before they meet the score, as there.
    fn add_bias(&self, scores: &mut [f32], text: &[u32]) {
        if self.sequence_bias.is_empty() {
            return;
        }
        let mut sums = vec![0.0; scores.len()];
        for (ids, bias) in &self.sequence_bias {
            if let Some(sum) = completed_by(text, ids).and_then(|id| sums.get_mut(id as usize)) {
                *sum += *bias as f32;
            }
        }
        for (score, sum) in scores.iter_mut().zip(sums) {
            *score += sum;
        }
    }
}

/// The last token of a sequence, where the text ends with the ones before it.
fn completed_by(text: &[u32], sequence: &[u32]) -> Option<u32> {
    let (last, before) = sequence.split_last()?;
    text.ends_with(before).then_some(*last)
}

/// Tokens that would complete a sequence of `size` tokens that the text has already.
fn repeated(text: &[u32], size: usize) -> Vec<u32> {
    let Some(start) = (text.len() + 1).checked_sub(size) else {
        return Vec::new();
    };
    let end = &text[start..];
    text.windows(size)
        .filter_map(|window| match window.split_last() {
            Some((last, before)) if before == end => Some(*last),
            _ => None,
        })
        .collect()
}

/// Once for every token of the text, however often it has it.
fn penalise(scores: &mut [f32], text: &[u32], penalty: f32) {
    let mut tokens = text.to_vec();
    tokens.sort_unstable();
    tokens.dedup();
    for id in tokens {
        if let Some(score) = scores.get_mut(id as usize) {
            *score = match *score < 0.0 {
                true => *score * penalty,
                false => *score / penalty,
            };
        }
    }
}

fn forbid(scores: &mut [f32], ids: &[u32]) {
    for id in ids {
        if let Some(score) = scores.get_mut(*id as usize) {
            *score = f32::NEG_INFINITY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(rules: ScoreRules, prompt: &[u32], new: &[u32]) -> Vec<f32> {
        let mut scores = vec![2.0, -2.0, 1.0, 4.0];
        rules.apply(&mut scores, prompt, new, &[1]);
        scores
    }

    #[test]
    fn each_rule_changes_its_tokens_alone() {
        const NEVER: f32 = f32::NEG_INFINITY;
        let none = ScoreRules::default;
        assert_eq!(changed(none(), &[0, 1], &[0]), [2.0, -2.0, 1.0, 4.0]);
        let penalty = ScoreRules {
            repetition_penalty: 2.0,
            ..none()
        };
        assert_eq!(changed(penalty, &[0, 1], &[0]), [1.0, -4.0, 1.0, 4.0]);
        let twice = ScoreRules {
            no_repeat_ngram_size: 2,
            ..none()
        };
        assert_eq!(
            changed(twice.clone(), &[0, 3, 0, 2], &[0]),
            [2.0, -2.0, NEVER, NEVER]
        );
        assert_eq!(changed(twice, &[0], &[]), [2.0, -2.0, 1.0, 4.0]);
        let bad = ScoreRules {
            bad_words_ids: vec![vec![1], vec![3], vec![0, 2], vec![2, 0]],
            ..none()
        };
        assert_eq!(changed(bad, &[0], &[]), [2.0, -2.0, NEVER, NEVER]);
        let longer = ScoreRules {
            min_length: 3,
            ..none()
        };
        assert_eq!(
            changed(longer.clone(), &[0, 0], &[]),
            [2.0, NEVER, 1.0, 4.0]
        );
        assert_eq!(changed(longer, &[0, 0], &[0]), [2.0, -2.0, 1.0, 4.0]);
        let more = ScoreRules {
            min_new_tokens: 2,
            ..none()
        };
        assert_eq!(changed(more, &[0, 0], &[0]), [2.0, NEVER, 1.0, 4.0]);
        let bias = ScoreRules {
            sequence_bias: vec![(vec![2], 1.5), (vec![0, 2], 1.0), (vec![1, 2], 9.0)],
            ..none()
        };
        assert_eq!(changed(bias, &[0], &[]), [2.0, -2.0, 3.5, 4.0]);
        let first = ScoreRules {
            begin_suppress_tokens: vec![3],
            suppress_tokens: vec![0, 9],
            ..none()
        };
        assert_eq!(changed(first.clone(), &[0], &[]), [NEVER, -2.0, 1.0, NEVER]);
        assert_eq!(changed(first, &[0], &[0]), [NEVER, -2.0, 1.0, 4.0]);
    }
}
