//! Which examples go through the model together.

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use treelora_core::Error;

/// Bounds on a batch beside its number of examples.
///
/// With a budget, examples of similar length share a batch: they are sorted by a rounded length,
/// shuffled among those of equal rounded length, cut into batches, and the batches are shuffled.
/// The cuts depend on the rounded lengths alone, so every epoch has the same number of batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextBatching {
    /// Tokens of a batch with padding (examples times the longest), at most. A longer example is
    /// a batch of its own. Without a budget, batches are a shuffled order cut into equal parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_budget: Option<usize>,
}

impl TextBatching {
    /// Check the budget.
    ///
    /// # Errors
    /// When it is 0.
    pub fn validate(&self) -> Result<(), Error> {
        match self.token_budget {
            Some(0) => Err(Error::setting("token_budget", "0 is not above 0")),
            _ => Ok(()),
        }
    }

    /// Number of batches of an epoch over examples of these lengths in tokens.
    ///
    /// # Panics
    /// When `batch_size` is 0.
    pub fn count(&self, lengths: &[usize], batch_size: usize) -> usize {
        let Some(budget) = self.token_budget else {
            return lengths.len().div_ceil(batch_size);
        };
        let mut rounded: Vec<usize> = lengths.iter().map(|length| round(*length)).collect();
        rounded.sort_unstable();
        cut(&rounded, batch_size, budget).len()
    }

    /// The examples of each batch of an epoch, in an order that depends on `seed` alone.
    ///
    /// # Panics
    /// When `batch_size` is 0.
    pub fn shuffled(&self, lengths: &[usize], batch_size: usize, seed: u64) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        order.shuffle(&mut rng);
        let Some(budget) = self.token_budget else {
            return order.chunks(batch_size).map(<[_]>::to_vec).collect();
        };
        order.sort_by_key(|example| round(lengths[*example]));
        let rounded: Vec<usize> = order
            .iter()
            .map(|example| round(lengths[*example]))
            .collect();
        let mut batches = parts(&order, &cut(&rounded, batch_size, budget));
        batches.shuffle(&mut rng);
        batches
    }

    /// The examples of each batch in the order of the data, under the same bounds.
    ///
    /// # Panics
    /// When `batch_size` is 0.
    pub fn in_order(&self, lengths: &[usize], batch_size: usize) -> Vec<Vec<usize>> {
        let order: Vec<usize> = (0..lengths.len()).collect();
        let budget = self.token_budget.unwrap_or(usize::MAX);
        parts(&order, &cut(lengths, batch_size, budget))
    }
}

/// A length with two significant binary digits after the first, upwards, in steps of 8 at least:
/// at most a quarter longer from 32 tokens on.
fn round(length: usize) -> usize {
    let step = (length.max(1).ilog2().saturating_sub(2)).max(3);
    length.next_multiple_of(1 << step)
}

/// Sizes of batches that take examples one after the other until a bound is reached.
fn cut(lengths: &[usize], batch_size: usize, budget: usize) -> Vec<usize> {
    assert!(batch_size > 0, "a batch of 0 examples");
    let mut sizes = Vec::new();
    let (mut size, mut longest) = (0, 0);
    for &length in lengths {
        let padded = (size + 1_usize).saturating_mul(length.max(longest));
        if size > 0 && (size == batch_size || padded > budget) {
            sizes.push(size);
            (size, longest) = (0, 0);
        }
        size += 1;
        longest = longest.max(length);
    }
    if size > 0 {
        sizes.push(size);
    }
    sizes
}

fn parts(order: &[usize], sizes: &[usize]) -> Vec<Vec<usize>> {
    let mut rest = order;
    let parts = sizes.iter().map(|size| {
        let (part, after) = rest.split_at(*size);
        rest = after;
        part.to_vec()
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_rounded_up_by_a_quarter_at_most() {
        for length in 1..5000 {
            let rounded = round(length);
            assert!(rounded >= length && rounded < length + 8.max(length.div_ceil(4)));
        }
        assert_eq!([1, 8, 9, 33, 64, 65].map(round), [8, 8, 16, 40, 64, 80]);
    }
}
