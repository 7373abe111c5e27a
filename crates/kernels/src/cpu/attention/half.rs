//! Attention with the operands of its products rounded to bf16, summed in f32 by tiles.
//!
//! Positions of keys count from the first that is not padding, in steps of [`STEP`], so that a row gives the same bits
//! however far it is padded.
#![allow(unsafe_code)]

use super::super::amx::Tiles;
use super::super::matrix::{Store, Target};
use super::super::pairs::{PairRows, Panels, multiply};
use super::super::scratch::{pairs, with_scratch};
use super::super::transposition::transpose;
use super::super::weight::{PAIRS, PANEL};
use super::score_row::{slope_block, softmax_block};
use super::task::{BackwardTask, ForwardTask, rows, rows_mut};
use super::visibility::{Block, Problem};

/// Keys that are skipped together: whole panels of columns, and whole tiles of pairs in the depth.
const STEP: usize = 2 * PANEL;

const _: () = assert!(STEP.is_multiple_of(2 * PAIRS));

impl Problem {
    /// [`blocks`](Self::blocks) whose keys begin a number of steps after the first that is not padding.
    fn stepped_blocks(&self, batch: usize) -> impl Iterator<Item = Block> + use<'_> {
        let first = self.leading_padding(batch);
        self.blocks(batch).map(move |mut block| {
            let skipped = block.keys.start.saturating_sub(first) / STEP * STEP;
            block.keys.start = (first + skipped).min(block.keys.end);
            block
        })
    }

    /// The keys of a batch entry without the padding before them.
    fn packed_keys(&self, batch: usize) -> usize {
        self.keys - self.leading_padding(batch)
    }
}

/// The output of one batch entry and key head.
pub(super) fn forward(task: &ForwardTask) {
    let &ForwardTask {
        problem,
        batch,
        key_head,
        ..
    } = task;
    let (head_dim, value_dim) = (problem.head_dim, problem.value_dim);
    let (keys, queries, stride) = (
        problem.packed_keys(batch),
        problem.block_rows(),
        problem.stride(),
    );
    let sizes = [
        Panels::room(head_dim, keys),
        Panels::room(keys, value_dim),
        queries * stride,
        PairRows::room(queries, head_dim.max(keys)),
        PairRows::room(keys, head_dim),
    ];
    with_scratch(sizes, |[keys_t, values, scores, left, between]| {
        let [keys_t, values, left, between] = [keys_t, values, left, between].map(pairs);
        let padding = problem.leading_padding(batch);
        // SAFETY: the processor has tiles, or the caller would not be here. `Heads` gives matrices inside their tensors,
        // and each task writes only the rows of its own heads.
        unsafe {
            let tiles = Tiles::configure();
            let key = task.k.head(batch, key_head).skip_rows(padding);
            let value = task.v.head(batch, key_head).skip_rows(padding);
            let keys_t = Panels::of_columns(key, [head_dim, keys], keys_t, between);
            let values = Panels::of(value, [keys, value_dim], values);
            for head in problem.group(key_head) {
                for block in problem.stepped_blocks(batch) {
                    let (start, first) = (block.queries.start, block.keys.start);
                    let (n, m) = (block.queries.len(), block.keys.len());
                    let skipped = first.saturating_sub(padding);
                    let query = task.q.head(batch, head).skip_rows(start);
                    multiply(
                        &tiles,
                        [n, m, head_dim],
                        PairRows::of(query, [n, head_dim], left),
                        keys_t.skip_columns(skipped),
                        rows_mut(scores, stride, first),
                        Store::Replace,
                    );
                    let logarithms = task.logarithms.head(batch, head, start);
                    softmax_block(problem, &block, scores, logarithms);
                    multiply(
                        &tiles,
                        [n, value_dim, m],
                        PairRows::of(rows(scores, stride, first), [n, m], left),
                        values.skip_depth(skipped),
                        task.output.head(batch, head, start),
                        Store::Replace,
                    );
                }
            }
        }
    });
}

/// The gradients of one batch entry and key head.
///
/// Those of keys and values are summed as transposes: then weights and slopes are right operands, whose rows are paired
/// as they lie.
pub(super) fn backward(task: &BackwardTask) {
    let &BackwardTask {
        problem,
        batch,
        key_head,
        ..
    } = task;
    let (head_dim, value_dim) = (problem.head_dim, problem.value_dim);
    let dim = head_dim.max(value_dim);
    let (keys, queries, stride) = (
        problem.packed_keys(batch),
        problem.block_rows(),
        problem.stride(),
    );
    let sizes = [
        Panels::room(head_dim, keys),
        Panels::room(value_dim, keys),
        Panels::room(keys, head_dim),
        Panels::room(queries, keys),
        queries * stride,
        queries * stride,
        PairRows::room(queries, dim.max(keys)).max(PairRows::room(dim, queries)),
        PairRows::room(keys, dim).max(Panels::room(queries, dim)),
        head_dim * stride,
        value_dim * stride,
    ];
    with_scratch(sizes, |scratch| {
        let [
            keys_t,
            values_t,
            key_panels,
            right,
            weights,
            slopes,
            left,
            between,
            of_keys,
            of_values,
        ] = scratch;
        let [keys_t, values_t, key_panels, right, left, between] =
            [keys_t, values_t, key_panels, right, left, between].map(pairs);
        let padding = problem.leading_padding(batch);
        of_keys.fill(0.0);
        of_values.fill(0.0);
        // SAFETY: as in `forward`; the sums over keys and values begin as zeros.
        unsafe {
            let tiles = Tiles::configure();
            let key = task.k.head(batch, key_head).skip_rows(padding);
            let value = task.v.head(batch, key_head).skip_rows(padding);
            let keys_t = Panels::of_columns(key, [head_dim, keys], keys_t, between);
            let values_t = Panels::of_columns(value, [value_dim, keys], values_t, between);
            let key_panels = Panels::of(key, [keys, head_dim], key_panels);
            for head in problem.group(key_head) {
                for block in problem.stepped_blocks(batch) {
                    let (start, first) = (block.queries.start, block.keys.start);
                    let (n, m) = (block.queries.len(), block.keys.len());
                    let skipped = first.saturating_sub(padding);
                    let query = task.q.head(batch, head).skip_rows(start);
                    let gradient = task.gradient.head(batch, head).skip_rows(start);
                    multiply(
                        &tiles,
                        [n, m, head_dim],
                        PairRows::of(query, [n, head_dim], left),
                        keys_t.skip_columns(skipped),
                        rows_mut(weights, stride, first),
                        Store::Replace,
                    );
                    multiply(
                        &tiles,
                        [n, m, value_dim],
                        PairRows::of(gradient, [n, value_dim], left),
                        values_t.skip_columns(skipped),
                        rows_mut(slopes, stride, first),
                        Store::Replace,
                    );
                    slope_block(problem, &block, weights, slopes, |query| {
                        task.logarithm(head, query)
                    });
                    let (weights, slopes) =
                        (rows(weights, stride, first), rows(slopes, stride, first));
                    multiply(
                        &tiles,
                        [value_dim, m, n],
                        PairRows::of_columns(gradient, [value_dim, n], left, between),
                        Panels::of(weights, [n, m], right),
                        rows_mut(of_values, stride, first),
                        Store::Add,
                    );
                    multiply(
                        &tiles,
                        [head_dim, m, n],
                        PairRows::of_columns(query, [head_dim, n], left, between),
                        Panels::of(slopes, [n, m], right),
                        rows_mut(of_keys, stride, first),
                        Store::Add,
                    );
                    multiply(
                        &tiles,
                        [n, head_dim, m],
                        PairRows::of(slopes, [n, m], left),
                        key_panels.skip_depth(skipped),
                        task.of_q.head(batch, head, start),
                        Store::Replace,
                    );
                }
            }
            let turned = |sums: &[f32], dim: usize, to: Target| {
                let row = to.row as usize;
                transpose(rows(sums, stride, 0), dim, problem.keys, to.data, row);
            };
            turned(of_keys, head_dim, task.of_k.head(batch, key_head, 0));
            turned(of_values, value_dim, task.of_v.head(batch, key_head, 0));
        }
    });
}
