//! What one thread does at a time: attention of one batch entry and key head.

use super::super::matrix::{Left, Target};
use super::heads::{Heads, HeadsMut};
use super::visibility::Problem;

/// The forward of one batch entry and key head.
pub(super) struct ForwardTask<'a> {
    pub(super) problem: &'a Problem,
    pub(super) batch: usize,
    pub(super) key_head: usize,
    pub(super) q: &'a Heads,
    pub(super) k: &'a Heads,
    pub(super) v: &'a Heads,
    pub(super) output: HeadsMut,
    pub(super) logarithms: HeadsMut,
}

/// The backward of one batch entry and key head.
pub(super) struct BackwardTask<'a> {
    pub(super) problem: &'a Problem,
    pub(super) batch: usize,
    pub(super) key_head: usize,
    pub(super) q: &'a Heads,
    pub(super) k: &'a Heads,
    pub(super) v: &'a Heads,
    pub(super) gradient: &'a Heads,
    pub(super) logarithms: &'a [f32],
    pub(super) of_q: HeadsMut,
    pub(super) of_k: HeadsMut,
    pub(super) of_v: HeadsMut,
}

impl BackwardTask<'_> {
    /// The logarithm of the softmax denominator of a query.
    pub(super) fn logarithm(&self, head: usize, query: usize) -> f32 {
        let Problem { queries, heads, .. } = self.problem;
        self.logarithms[(self.batch * queries + query) * heads + head]
    }
}

/// The columns from `first` on of a matrix in scratch memory.
pub(super) fn rows(matrix: &[f32], stride: usize, first: usize) -> Left {
    Left {
        data: matrix.as_ptr().wrapping_add(first),
        row: stride as isize,
        column: 1,
    }
}

/// As [`rows`], to write to.
pub(super) fn rows_mut(matrix: &mut [f32], stride: usize, first: usize) -> Target {
    Target {
        data: matrix.as_mut_ptr().wrapping_add(first),
        row: stride as isize,
    }
}
