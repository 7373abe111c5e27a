//! Attention forward and backward, one task per batch entry and key head.
//!
//! A task works on blocks of queries. The scores of a block against all keys it sees live in scratch memory of the
//! thread; they are never kept. The backward computes them again from the queries, the keys and one number per
//! query: the logarithm of its softmax denominator.
#![allow(unsafe_code)]

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use rayon::prelude::*;

use super::buffer::{Unwritten, tensor};
use super::heads::{Heads, HeadsMut};
use super::matrix::{Left, Right, Store, Target, multiply, transpose};
use super::score_row::ScoreRow;
use super::scratch::with_scratch;
use super::simd::{sums_of_pairs, vectorised};
use super::visibility::Problem;

/// Attention of `q`, `k` and `v`.
pub(super) fn attention(
    q: &FlexTensor,
    k: &FlexTensor,
    v: &FlexTensor,
    padding: Option<Vec<bool>>,
    reach: Option<usize>,
) -> FlexTensor {
    forward(
        &problem(q, k, v, padding, reach),
        &Heads::new(q),
        &Heads::new(k),
        &Heads::new(v),
    )
    .0
}

fn problem(
    q: &FlexTensor,
    k: &FlexTensor,
    v: &FlexTensor,
    padding: Option<Vec<bool>>,
    reach: Option<usize>,
) -> Problem {
    let (q, k, v) = (q.layout().shape(), k.layout().shape(), v.layout().shape());
    Problem {
        batch: q[0],
        heads: q[1],
        key_heads: k[1],
        queries: q[2],
        keys: k[2],
        head_dim: q[3],
        value_dim: v[3],
        reach,
        padding,
    }
}

/// The output, stored as `[batch, queries, heads, value_dim]` so that merging the heads is free, and the logarithm of
/// the softmax denominator of each query, `[batch, queries, heads]`.
fn forward(problem: &Problem, q: &Heads, k: &Heads, v: &Heads) -> (FlexTensor, Vec<f32>) {
    let &Problem {
        batch,
        heads,
        key_heads,
        queries,
        keys,
        head_dim,
        value_dim,
        ..
    } = problem;
    let mut output = Unwritten::new(batch * queries * heads * value_dim);
    let mut logarithms = Unwritten::new(batch * queries * heads);
    let target = HeadsMut::new(output.slots(), [batch, heads, queries, value_dim]);
    let logarithm = HeadsMut::new(logarithms.slots(), [batch, heads, queries, 1]);
    let (stride, scale) = (problem.stride(), problem.scale());
    (0..batch * key_heads).into_par_iter().for_each(|task| {
        let (b, key_head) = problem.task(task);
        with_scratch(
            [head_dim * stride, problem.block_rows() * stride],
            |[keys_t, scores]| {
                // SAFETY: `Heads` gives matrices inside their tensors, the scratch has room for `stride` numbers per
                // row, and each task writes only the rows of its own heads.
                unsafe {
                    transpose(
                        k.head(b, key_head),
                        keys,
                        head_dim,
                        keys_t.as_mut_ptr(),
                        stride,
                    );
                    for head in problem.group(key_head) {
                        for block in problem.blocks() {
                            let seen = problem.seen_by_block(b, &block);
                            let query = q.head(b, head).skip_rows(block.start);
                            let size = [block.len(), seen.len(), head_dim];
                            multiply(
                                size,
                                query,
                                columns(keys_t, stride, seen.start),
                                rows_mut(scores, stride, seen.start),
                                Store::Replace,
                            );
                            let logarithm = logarithm.head(b, head, block.start);
                            vectorised(
                                #[inline(always)]
                                || {
                                    for (i, row) in scores
                                        .chunks_exact_mut(stride)
                                        .take(block.len())
                                        .enumerate()
                                    {
                                        let row =
                                            ScoreRow::new(problem, b, row, block.start + i, &seen);
                                        logarithm
                                            .data
                                            .offset(i as isize * logarithm.row)
                                            .write(row.softmax(scale));
                                    }
                                },
                            );
                            let weights = rows(scores, stride, seen.start);
                            let value = v.head(b, key_head).skip_rows(seen.start).right();
                            let size = [block.len(), value_dim, seen.len()];
                            multiply(
                                size,
                                weights,
                                value,
                                target.head(b, head, block.start),
                                Store::Replace,
                            );
                        }
                    }
                }
            },
        );
    });
    // SAFETY: the tasks wrote every query of every head.
    let (output, logarithms) = unsafe { (output.assume_written(), logarithms.assume_written()) };
    let output = tensor(output, [batch, queries, heads, value_dim]);
    (Flex::float_swap_dims(output, 1, 2), logarithms)
}

/// What the backward keeps.
#[derive(Clone, Debug)]
struct Kept {
    problem: Problem,
    q: FlexTensor,
    k: FlexTensor,
    v: FlexTensor,
    logarithms: Vec<f32>,
}

/// The gradients of `q`, `k` and `v`, each stored as `[batch, positions, heads, dim]`.
fn backward(kept: &Kept, gradient: &FlexTensor) -> [FlexTensor; 3] {
    let problem = &kept.problem;
    let &Problem {
        batch,
        heads,
        key_heads,
        queries,
        keys,
        head_dim,
        value_dim,
        ..
    } = problem;
    let (q, k, v, g) = (
        Heads::new(&kept.q),
        Heads::new(&kept.k),
        Heads::new(&kept.v),
        Heads::new(gradient),
    );
    let mut of_q = Unwritten::new(batch * queries * heads * head_dim);
    let mut of_k = Unwritten::zeroed(batch * keys * key_heads * head_dim);
    let mut of_v = Unwritten::zeroed(batch * keys * key_heads * value_dim);
    let q_target = HeadsMut::new(of_q.slots(), [batch, heads, queries, head_dim]);
    let k_target = HeadsMut::new(of_k.slots(), [batch, key_heads, keys, head_dim]);
    let v_target = HeadsMut::new(of_v.slots(), [batch, key_heads, keys, value_dim]);
    let (stride, scale) = (problem.stride(), problem.scale());
    let block_size = problem.block_rows() * stride;
    (0..batch * key_heads).into_par_iter().for_each(|task| {
        let (b, key_head) = problem.task(task);
        let sizes = [
            head_dim * stride,
            value_dim * stride,
            block_size,
            block_size,
        ];
        with_scratch(sizes, |[keys_t, values_t, weights, slopes]| {
            // SAFETY: as in `forward`; the gradients of keys and values are zeroed.
            unsafe {
                let (key, value) = (k.head(b, key_head), v.head(b, key_head));
                transpose(key, keys, head_dim, keys_t.as_mut_ptr(), stride);
                transpose(value, keys, value_dim, values_t.as_mut_ptr(), stride);
                for head in problem.group(key_head) {
                    for block in problem.blocks() {
                        let seen = problem.seen_by_block(b, &block);
                        let query = q.head(b, head).skip_rows(block.start);
                        let gradient = g.head(b, head).skip_rows(block.start);
                        let (n, m) = (block.len(), seen.len());
                        multiply(
                            [n, m, head_dim],
                            query,
                            columns(keys_t, stride, seen.start),
                            rows_mut(weights, stride, seen.start),
                            Store::Replace,
                        );
                        multiply(
                            [n, m, value_dim],
                            gradient,
                            columns(values_t, stride, seen.start),
                            rows_mut(slopes, stride, seen.start),
                            Store::Replace,
                        );
                        vectorised(
                            #[inline(always)]
                            || {
                                let pairs = weights
                                    .chunks_exact_mut(stride)
                                    .zip(slopes.chunks_exact_mut(stride));
                                for (i, (weights, slopes)) in pairs.take(n).enumerate() {
                                    let query = block.start + i;
                                    let logarithm =
                                        kept.logarithms[(b * queries + query) * heads + head];
                                    ScoreRow::new(problem, b, weights, query, &seen)
                                        .weights(scale, logarithm);
                                    let (weights, slopes) =
                                        (&weights[seen.clone()], &mut slopes[seen.clone()]);
                                    let (mean, _) =
                                        sums_of_pairs(weights, slopes, |w, s| (w * s, 0.0));
                                    for (slope, &weight) in slopes.iter_mut().zip(weights) {
                                        *slope = (*slope - mean) * weight * scale;
                                    }
                                }
                            },
                        );
                        let (weights, slopes) = (
                            rows(weights, stride, seen.start),
                            rows(slopes, stride, seen.start),
                        );
                        multiply(
                            [m, value_dim, n],
                            weights.transposed(),
                            gradient.right(),
                            v_target.head(b, key_head, seen.start),
                            Store::Add,
                        );
                        multiply(
                            [m, head_dim, n],
                            slopes.transposed(),
                            query.right(),
                            k_target.head(b, key_head, seen.start),
                            Store::Add,
                        );
                        multiply(
                            [n, head_dim, m],
                            slopes,
                            key.skip_rows(seen.start).right(),
                            q_target.head(b, head, block.start),
                            Store::Replace,
                        );
                    }
                }
            }
        });
    });
    // SAFETY: the gradients of keys and values were zeroed, that of the queries was written for every query.
    let (of_q, of_k, of_v) = unsafe {
        (
            of_q.assume_written(),
            of_k.assume_written(),
            of_v.assume_written(),
        )
    };
    [
        Flex::float_swap_dims(tensor(of_q, [batch, queries, heads, head_dim]), 1, 2),
        Flex::float_swap_dims(tensor(of_k, [batch, keys, key_heads, head_dim]), 1, 2),
        Flex::float_swap_dims(tensor(of_v, [batch, keys, key_heads, value_dim]), 1, 2),
    ]
}

/// The columns from `first` on of a matrix in scratch memory.
fn columns(matrix: &[f32], stride: usize, first: usize) -> Right {
    Right {
        data: matrix.as_ptr().wrapping_add(first),
        row: stride as isize,
    }
}

/// As [`columns`], as a left operand.
fn rows(matrix: &[f32], stride: usize, first: usize) -> Left {
    Left {
        data: matrix.as_ptr().wrapping_add(first),
        row: stride as isize,
        column: 1,
    }
}

/// As [`columns`], to write to.
fn rows_mut(matrix: &mut [f32], stride: usize, first: usize) -> Target {
    Target {
        data: matrix.as_mut_ptr().wrapping_add(first),
        row: stride as isize,
    }
}

/// [`attention`] with its backward.
pub(super) fn attention_autodiff<C: CheckpointStrategy>(
    q: FloatTensor<Autodiff<Flex, C>>,
    k: FloatTensor<Autodiff<Flex, C>>,
    v: FloatTensor<Autodiff<Flex, C>>,
    padding: Option<Vec<bool>>,
    reach: Option<usize>,
) -> FloatTensor<Autodiff<Flex, C>> {
    #[derive(Debug)]
    struct AttentionBackward;

    impl Backward<Flex, 3> for AttentionBackward {
        type State = Kept;

        fn backward(self, ops: Ops<Kept, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
            let gradient = grads.consume::<Flex>(&ops.node);
            let gradients = backward(&ops.state, &gradient);
            for (node, gradient) in ops.parents.into_iter().zip(gradients) {
                if let Some(node) = node {
                    grads.register::<Flex>(node.id, gradient);
                }
            }
        }
    }

    let (q, q_node) = q.into_parts();
    let (k, k_node) = k.into_parts();
    let (v, v_node) = v.into_parts();
    let problem = problem(&q, &k, &v, padding, reach);
    let (output, logarithms) = forward(&problem, &Heads::new(&q), &Heads::new(&k), &Heads::new(&v));
    match AttentionBackward
        .prepare::<C>([q_node, k_node, v_node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish(
            Kept {
                problem,
                q,
                k,
                v,
                logarithms,
            },
            output,
        ),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}
