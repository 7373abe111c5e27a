//! The softmax of one query's scores, forward and again in the backward.

use super::simd::{exp, max_of, sum_of};
use super::visibility::Problem;

/// The scores of one query; those of keys it does not see become weights of zero.
pub(super) struct ScoreRow<'a> {
    scores: &'a mut [f32],
    padding: Option<&'a [bool]>,
}

impl<'a> ScoreRow<'a> {
    /// The row of scores of one query of a block, which the block computed for the keys `block`.
    #[inline(always)]
    pub(super) fn new(
        problem: &'a Problem,
        batch: usize,
        row: &'a mut [f32],
        query: usize,
        block: &core::ops::Range<usize>,
    ) -> Self {
        let seen = problem.seen(batch, query);
        row[block.start..seen.start].fill(0.0);
        row[seen.end..block.end].fill(0.0);
        let padding = problem.padding(batch).map(|padding| &padding[seen.clone()]);
        Self {
            scores: &mut row[seen],
            padding,
        }
    }

    /// Turns scores into weights; returns the logarithm of the denominator, infinite when no key is left.
    #[inline(always)]
    pub(super) fn softmax(self, scale: f32) -> f32 {
        let Self { scores, padding } = self;
        if let Some(padding) = padding {
            for (score, &padding) in scores.iter_mut().zip(padding) {
                *score = if padding { f32::NEG_INFINITY } else { *score };
            }
        }
        let max = max_of(scores);
        if max == f32::NEG_INFINITY {
            scores.fill(0.0);
            return f32::INFINITY;
        }
        for score in scores.iter_mut() {
            *score = exp((*score - max) * scale);
        }
        let sum = sum_of(scores, |weight| weight);
        let inverse = 1.0 / sum;
        for score in scores.iter_mut() {
            *score *= inverse;
        }
        max.mul_add(scale, sum.ln())
    }

    /// Turns scores into weights again.
    #[inline(always)]
    pub(super) fn weights(self, scale: f32, logarithm: f32) {
        let Self { scores, padding } = self;
        for score in scores.iter_mut() {
            *score = exp(score.mul_add(scale, -logarithm));
        }
        if let Some(padding) = padding {
            for (weight, &padding) in scores.iter_mut().zip(padding) {
                *weight = if padding { 0.0 } else { *weight };
            }
        }
    }
}
