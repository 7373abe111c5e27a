//! Attention in f32.
#![allow(unsafe_code)]

use super::super::matrix::{Store, multiply};
use super::super::scratch::with_scratch;
use super::super::transposition::transpose;
use super::score_row::{slope_block, softmax_block};
use super::task::{BackwardTask, ForwardTask, rows, rows_mut};

/// The output of one batch entry and key head.
pub(super) fn forward(task: &ForwardTask) {
    let &ForwardTask {
        problem,
        batch,
        key_head,
        ..
    } = task;
    let (stride, head_dim) = (problem.stride(), problem.head_dim);
    let sizes = [head_dim * stride, problem.block_rows() * stride];
    with_scratch(sizes, |[keys_t, scores]| {
        // SAFETY: `Heads` gives matrices inside their tensors, the scratch has room for `stride` numbers per row, and
        // each task writes only the rows of its own heads.
        unsafe {
            let key = task.k.head(batch, key_head);
            transpose(key, problem.keys, head_dim, keys_t.as_mut_ptr(), stride);
            for head in problem.group(key_head) {
                for block in problem.blocks(batch) {
                    let (start, first) = (block.queries.start, block.keys.start);
                    let (n, m) = (block.queries.len(), block.keys.len());
                    multiply(
                        [n, m, head_dim],
                        task.q.head(batch, head).skip_rows(start),
                        rows(keys_t, stride, first).right(),
                        rows_mut(scores, stride, first),
                        Store::Replace,
                    );
                    let logarithms = task.logarithms.head(batch, head, start);
                    softmax_block(problem, &block, scores, logarithms);
                    multiply(
                        [n, problem.value_dim, m],
                        rows(scores, stride, first),
                        task.v.head(batch, key_head).skip_rows(first).right(),
                        task.output.head(batch, head, start),
                        Store::Replace,
                    );
                }
            }
        }
    });
}

/// The gradients of one batch entry and key head.
pub(super) fn backward(task: &BackwardTask) {
    let &BackwardTask {
        problem,
        batch,
        key_head,
        ..
    } = task;
    let stride = problem.stride();
    let (head_dim, value_dim) = (problem.head_dim, problem.value_dim);
    let block_size = problem.block_rows() * stride;
    let sizes = [
        head_dim * stride,
        value_dim * stride,
        block_size,
        block_size,
    ];
    with_scratch(sizes, |[keys_t, values_t, weights, slopes]| {
        // SAFETY: as in `forward`; the gradients of keys and values begin as zeros.
        unsafe {
            let (of_k, of_v) = (
                task.of_k.head(batch, key_head, 0),
                task.of_v.head(batch, key_head, 0),
            );
            for key in 0..problem.keys {
                of_k.part(key, 0).data.write_bytes(0, head_dim);
                of_v.part(key, 0).data.write_bytes(0, value_dim);
            }
            let (key, value) = (task.k.head(batch, key_head), task.v.head(batch, key_head));
            transpose(key, problem.keys, head_dim, keys_t.as_mut_ptr(), stride);
            transpose(
                value,
                problem.keys,
                value_dim,
                values_t.as_mut_ptr(),
                stride,
            );
            for head in problem.group(key_head) {
                for block in problem.blocks(batch) {
                    let (start, first) = (block.queries.start, block.keys.start);
                    let (n, m) = (block.queries.len(), block.keys.len());
                    let query = task.q.head(batch, head).skip_rows(start);
                    let gradient = task.gradient.head(batch, head).skip_rows(start);
                    multiply(
                        [n, m, head_dim],
                        query,
                        rows(keys_t, stride, first).right(),
                        rows_mut(weights, stride, first),
                        Store::Replace,
                    );
                    multiply(
                        [n, m, value_dim],
                        gradient,
                        rows(values_t, stride, first).right(),
                        rows_mut(slopes, stride, first),
                        Store::Replace,
                    );
                    slope_block(problem, &block, weights, slopes, |query| {
                        task.logarithm(head, query)
                    });
                    let (weights, slopes) =
                        (rows(weights, stride, first), rows(slopes, stride, first));
                    multiply(
                        [m, value_dim, n],
                        weights.transposed(),
                        gradient.right(),
                        of_v.part(first, 0),
                        Store::Add,
                    );
                    multiply(
                        [m, head_dim, n],
                        slopes.transposed(),
                        query.right(),
                        of_k.part(first, 0),
                        Store::Add,
                    );
                    multiply(
                        [n, head_dim, m],
                        slopes,
                        key.skip_rows(first).right(),
                        task.of_q.head(batch, head, start),
                        Store::Replace,
                    );
                }
            }
        }
    });
}
