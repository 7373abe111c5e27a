//! Products in which one side is as narrow as the rank of an adapter: one pass over the wide side.
#![allow(unsafe_code)]

use std::{ops::Range, slice};

use rayon::prelude::*;

use super::matrix::{Left, Right, Store, Target, multiply};
use super::scratch::with_scratch;
use super::simd::{for_each_chunk, vectorised};
use super::transposition::transpose;
use crate::Dropout;

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

/// Rows of numbers, of which some may be dropped as they are read.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    numbers: &'a [f32],
    width: usize,
    dropout: Option<Dropout>,
}

impl<'a> Rows<'a> {
    /// All of the numbers.
    pub(super) fn of(numbers: &'a [f32], width: usize) -> Self {
        Self {
            numbers,
            width,
            dropout: None,
        }
    }

    pub(super) fn dropped_by(self, dropout: Option<Dropout>) -> Self {
        Self { dropout, ..self }
    }

    /// Calls `f` with some of the rows, a copy of them where numbers are dropped.
    fn with<R>(self, rows: Range<usize>, f: impl FnOnce(&[f32]) -> R) -> R {
        let numbers = &self.numbers[rows.start * self.width..rows.end * self.width];
        let Some(dropout) = self.dropout else {
            return f(numbers);
        };
        with_scratch([numbers.len()], |[copy]| {
            copy.copy_from_slice(numbers);
            drop_from(copy, self.width, rows.start, dropout);
            f(copy)
        })
    }
}

/// Drops numbers of the rows from number `first` on.
fn drop_from(numbers: &mut [f32], width: usize, first: usize, dropout: Dropout) {
    vectorised(
        #[inline(always)]
        || {
            for (row, numbers) in numbers.chunks_exact_mut(width.max(1)).enumerate() {
                let mask = dropout.row(first + row);
                for (column, number) in numbers.iter_mut().enumerate() {
                    *number *= mask.factor(column as u32);
                }
            }
        },
    );
}

/// `scale (x a)` for `x [rows, width]` and `a [width, rank]`: `[rows, rank]`.
pub(super) fn reduce(x: Rows<'_>, a: &[f32], rank: usize, scale: f32) -> Vec<f32> {
    let width = x.width;
    assert_eq!(a.len(), width * rank, "a factor of another size");
    let rows = x.numbers.len() / width.max(1);
    let mut output = vec![0.0_f32; rows * rank];
    let per_task = rows_per_task(width);
    for_each_chunk(&mut output, per_task * rank, |task, output| {
        let rows = output.len() / rank;
        let first = task * per_task;
        let target = Target {
            data: output.as_mut_ptr(),
            row: rank as isize,
        };
        x.with(first..first + rows, |x| {
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
        });
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
    /// Drops numbers of the sum.
    pub(super) dropout: Option<Dropout>,
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
    if let Some(Update {
        u,
        b,
        rank,
        dropout,
    }) = update
    {
        assert!(
            dropout.is_none() || store == Store::Replace,
            "numbers are dropped of an update alone"
        );
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
        if let Some(dropout) = dropout {
            for row in 0..rows.len() {
                // SAFETY: the rows were just written.
                let numbers = unsafe { slice::from_raw_parts_mut(target.part(row, 0).data, width) };
                drop_from(numbers, width, rows.start + row, dropout);
            }
        }
        store = Store::Add;
    }
    store
}

/// `x^T y` for `x [rows, m]` and `y [rows, n]`: `[m, n]`, the tasks' sums added in order.
pub(super) fn outer(x: Rows<'_>, y: &[f32], n: usize) -> Vec<f32> {
    let m = x.width;
    let per_task = rows_per_task(m.max(n));
    let rows = x.numbers.len() / m.max(1);
    assert_eq!(y.len(), rows * n, "the operands differ in rows");
    let tasks = (0..rows.div_ceil(per_task)).into_par_iter();
    let mut parts = tasks
        .map(|task| {
            let range = task * per_task..rows.min((task + 1) * per_task);
            let y = &y[range.start * n..range.end * n];
            let rows = range.len();
            let mut sum = vec![0.0_f32; m * n];
            let target = Target {
                data: sum.as_mut_ptr(),
                row: n as isize,
            };
            x.with(range, |x| {
                let transposed = Left {
                    data: x.as_ptr(),
                    row: 1,
                    column: m as isize,
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
            });
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
