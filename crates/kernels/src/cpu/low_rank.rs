//! Products in which one side is as narrow as the rank of an adapter: one pass over the wide side.
#![allow(unsafe_code)]

use std::ops::Range;

use rayon::prelude::*;

use super::matrix::{Left, Right, Store, Target, multiply};
use super::simd::for_each_chunk;
use super::transposition::transpose;

/// Numbers of the wide side that one task reads; they stay in its second-level cache.
const TASK: usize = 1 << 16;

fn rows_per_task(width: usize) -> usize {
    (TASK / width.max(1)).next_multiple_of(8)
}

fn left(data: &[f32], width: usize) -> Left {
    Left {
        data: data.as_ptr(),
        row: width as isize,
        column: 1,
    }
}

fn right(data: &[f32], width: usize) -> Right {
    Right {
        data: data.as_ptr(),
        row: width as isize,
    }
}

/// `scale (x a)` for `x [rows, width]` and `a [width, rank]`: `[rows, rank]`.
pub(super) fn reduce(x: &[f32], a: &[f32], width: usize, rank: usize, scale: f32) -> Vec<f32> {
    assert_eq!(a.len(), width * rank, "a factor of another size");
    let rows = x.len() / width.max(1);
    let mut output = vec![0.0_f32; rows * rank];
    let per_task = rows_per_task(width);
    for_each_chunk(&mut output, per_task * rank, |task, output| {
        let rows = output.len() / rank;
        let x = &x[task * per_task * width..][..rows * width];
        let target = Target {
            data: output.as_mut_ptr(),
            row: rank as isize,
        };
        // SAFETY: the slices hold whole rows of the stated widths.
        unsafe {
            multiply(
                [rows, rank, width],
                left(x, width),
                right(a, rank),
                target,
                Store::Replace,
            )
        };
        for x in output {
            *x *= scale;
        }
    });
    output
}

/// A low-rank summand `u b` for `u [rows, rank]` and `b [rank, width]`.
#[derive(Clone, Copy)]
pub(super) struct Update<'a> {
    pub(super) u: &'a [f32],
    pub(super) b: &'a [f32],
    pub(super) rank: usize,
}

/// Starts some rows of a projection: the bias, if any, and the update, if any.
///
/// # Safety
/// `target` is writable for `rows.len()` rows of `width` numbers.
pub(super) unsafe fn start(
    bias: &[f32],
    update: Option<Update<'_>>,
    rows: Range<usize>,
    width: usize,
    target: Target,
) -> Store {
    let mut store = Store::Replace;
    if !bias.is_empty() {
        assert_eq!(bias.len(), width, "a bias of another length");
        for row in 0..rows.len() {
            // SAFETY: the caller's promise.
            unsafe {
                target
                    .part(row, 0)
                    .data
                    .copy_from_nonoverlapping(bias.as_ptr(), width)
            };
        }
        store = Store::Add;
    }
    if let Some(Update { u, b, rank }) = update {
        assert_eq!(b.len(), rank * width, "a factor of another size");
        let u = &u[rows.start * rank..rows.end * rank];
        // SAFETY: the slices hold whole rows of the stated widths; with `Add` the target was just written.
        unsafe {
            multiply(
                [rows.len(), width, rank],
                left(u, rank),
                right(b, width),
                target,
                store,
            )
        };
        store = Store::Add;
    }
    store
}

/// `x^T y` for `x [rows, m]` and `y [rows, n]`: `[m, n]`, the tasks' sums added in order.
pub(super) fn outer(x: &[f32], y: &[f32], m: usize, n: usize) -> Vec<f32> {
    let per_task = rows_per_task(m.max(n));
    let mut parts = x
        .par_chunks(per_task * m)
        .zip(y.par_chunks(per_task * n))
        .map(|(x, y)| {
            let rows = x.len() / m;
            assert_eq!(y.len(), rows * n, "the operands differ in rows");
            let mut sum = vec![0.0_f32; m * n];
            let transposed = Left {
                data: x.as_ptr(),
                row: 1,
                column: m as isize,
            };
            let target = Target {
                data: sum.as_mut_ptr(),
                row: n as isize,
            };
            // SAFETY: the slices hold whole rows of the stated widths.
            unsafe {
                multiply(
                    [m, n, rows],
                    transposed,
                    right(y, n),
                    target,
                    Store::Replace,
                )
            };
            sum
        })
        .collect::<Vec<_>>()
        .into_iter();
    let Some(mut total) = parts.next() else {
        return vec![0.0; m * n];
    };
    for part in parts {
        for (total, part) in total.iter_mut().zip(part) {
            *total += part;
        }
    }
    total
}

/// The transpose of `x [rows, columns]`.
pub(super) fn transposed(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut output = vec![0.0_f32; x.len()];
    // SAFETY: both buffers hold `rows * columns` numbers.
    unsafe { transpose(left(x, columns), rows, columns, output.as_mut_ptr(), rows) };
    output
}
