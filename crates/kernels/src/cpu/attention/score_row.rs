//! The softmax of scores, forward and again in the backward.

use super::super::matrix::Target;
use super::super::simd::{exp, max_of, sum_of, sums_of_pairs, tanh, vectorised};
use super::visibility::{Block, Problem};

/// Turns the scores of a block into weights and writes the logarithm of each query's denominator.
///
/// # Safety
/// `logarithms` is writable for one number a query.
pub(super) unsafe fn softmax_block(
    problem: &Problem,
    block: &Block,
    scores: &mut [f32],
    logarithms: Target,
) {
    let (stride, cap) = (problem.stride(), SoftCap::of(problem));
    let scale = cap.map_or(problem.scale(), |_| 1.0);
    vectorised(
        #[inline(always)]
        || {
            let rows = scores.chunks_exact_mut(stride);
            for (i, (query, row)) in block.queries.clone().zip(rows).enumerate() {
                if let Some(cap) = cap {
                    cap.apply(&mut row[block.keys.clone()]);
                }
                let logarithm = ScoreRow::new(problem, block, query, row).softmax(scale);
                // SAFETY: the caller's promise.
                unsafe { logarithms.part(i, 0).data.write(logarithm) };
            }
        },
    );
}

/// Turns the scores of a block into weights again, and the gradients of the weights into those of the scores.
///
/// `logarithm` gives that of a query's denominator.
pub(super) fn slope_block(
    problem: &Problem,
    block: &Block,
    scores: &mut [f32],
    gradients: &mut [f32],
    logarithm: impl Fn(usize) -> f32,
) {
    let (stride, cap) = (problem.stride(), SoftCap::of(problem));
    let (scale, score_scale) = (problem.scale(), cap.map_or(problem.scale(), |_| 1.0));
    let mut bends = cap.map_or_else(Vec::new, |_| vec![0.0; block.keys.len()]);
    vectorised(
        #[inline(always)]
        || {
            let rows = scores
                .chunks_exact_mut(stride)
                .zip(gradients.chunks_exact_mut(stride));
            for (query, (weights, slopes)) in block.queries.clone().zip(rows) {
                if let Some(cap) = cap {
                    cap.apply(&mut weights[block.keys.clone()]);
                    cap.slopes(&weights[block.keys.clone()], &mut bends);
                }
                ScoreRow::new(problem, block, query, weights)
                    .weights(score_scale, logarithm(query));
                let weights = &weights[block.keys.clone()];
                let slopes = &mut slopes[block.keys.clone()];
                let (mean, _) = sums_of_pairs(weights, slopes, |w, s| (w * s, 0.0));
                for (slope, &weight) in slopes.iter_mut().zip(weights) {
                    *slope = (*slope - mean) * weight * scale;
                }
                for (slope, &bend) in slopes.iter_mut().zip(&bends) {
                    *slope *= bend;
                }
            }
        },
    );
}

/// Keeps scores within a bound.
#[derive(Clone, Copy)]
struct SoftCap {
    cap: f32,
    /// What scores are divided by the bound with.
    inward: f32,
}

impl SoftCap {
    fn of(problem: &Problem) -> Option<Self> {
        let cap = problem.soft_cap?;
        let inward = problem.scale() / cap;
        Some(Self { cap, inward })
    }

    /// Scales scores as attention does and keeps them within the bound.
    #[inline(always)]
    fn apply(self, scores: &mut [f32]) {
        for score in scores {
            *score = self.cap * tanh(*score * self.inward);
        }
    }

    /// How much each of the bounded scores follows the one it was made of.
    #[inline(always)]
    fn slopes(self, bounded: &[f32], slopes: &mut [f32]) {
        let inverse = self.cap.recip();
        for (slope, &score) in slopes.iter_mut().zip(bounded) {
            let share = score * inverse;
            *slope = share.mul_add(-share, 1.0);
        }
    }
}

/// The scores of one query; those of keys it does not see become weights of zero.
struct ScoreRow<'a> {
    scores: &'a mut [f32],
    padding: Option<&'a [bool]>,
}

impl<'a> ScoreRow<'a> {
    /// The row of scores of one query of a block.
    #[inline(always)]
    fn new(problem: &'a Problem, block: &Block, query: usize, row: &'a mut [f32]) -> Self {
        let seen = problem.seen(block.batch, query);
        row[block.keys.start.min(seen.start)..seen.start].fill(0.0);
        row[seen.end..block.keys.end].fill(0.0);
        let padding = problem
            .padding(block.batch)
            .map(|padding| &padding[seen.clone()]);
        Self {
            scores: &mut row[seen],
            padding,
        }
    }

    /// Turns scores into weights; returns the logarithm of the denominator, infinite when no key is left.
    #[inline(always)]
    fn softmax(self, scale: f32) -> f32 {
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
    fn weights(self, scale: f32, logarithm: f32) {
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
