//! Kernels that work row by row.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::buffer::Unwritten;
use super::simd::{CHUNK, vectorised};

/// Two numbers per row; for a normalisation its mean and the reciprocal of its deviation.
#[derive(Clone, Debug, Default)]
pub(super) struct RowStatistics(Vec<[f32; 2]>);

/// Rows of one task.
fn rows_per_task(width: usize) -> usize {
    (CHUNK / width.max(1)).max(1)
}

/// Calls `row(x, output)` for each row; `row` must write the whole output row.
///
/// Returns the outputs and what `row` returned for each row.
pub(super) fn map_rows(
    x: &[f32],
    width: usize,
    row: impl Fn(&[f32], &mut [MaybeUninit<f32>]) -> [f32; 2] + Copy + Sync,
) -> (Vec<f32>, RowStatistics) {
    let mut output = Unwritten::new(x.len());
    if x.is_empty() {
        return (Vec::new(), RowStatistics::default());
    }
    let mut statistics = vec![[0.0; 2]; x.len() / width];
    let rows = rows_per_task(width);
    let task = |x: &[f32], output: &mut [MaybeUninit<f32>], statistics: &mut [[f32; 2]]| {
        vectorised(
            #[inline(always)]
            || {
                let rows = x.chunks_exact(width).zip(output.chunks_exact_mut(width));
                for ((x, output), statistic) in rows.zip(statistics) {
                    *statistic = row(x, output);
                }
            },
        );
    };
    if statistics.len() <= rows {
        task(x, output.slots(), &mut statistics);
    } else {
        x.par_chunks(rows * width)
            .zip(output.slots().par_chunks_mut(rows * width))
            .zip(statistics.par_chunks_mut(rows))
            .for_each(|((x, output), statistics)| task(x, output, statistics));
    }
    // SAFETY: the tasks cover all rows, and each row kernel of this crate writes its whole row.
    (
        unsafe { output.assume_written() },
        RowStatistics(statistics),
    )
}

/// Calls `row(target, x, statistics)` for each row; missing statistics count as zeros.
pub(super) fn update_rows(
    target: &mut [f32],
    x: &[f32],
    statistics: &RowStatistics,
    width: usize,
    row: impl Fn(&mut [f32], &[f32], [f32; 2]) + Copy + Sync,
) {
    assert_eq!(target.len(), x.len(), "the operands differ in size");
    if x.is_empty() {
        return;
    }
    let rows = rows_per_task(width);
    let task = |index: usize, target: &mut [f32], x: &[f32]| {
        vectorised(
            #[inline(always)]
            || {
                let pairs = target.chunks_exact_mut(width).zip(x.chunks_exact(width));
                for (i, (target, x)) in pairs.enumerate() {
                    row(
                        target,
                        x,
                        statistics
                            .0
                            .get(index * rows + i)
                            .copied()
                            .unwrap_or_default(),
                    );
                }
            },
        );
    };
    if x.len() <= rows * width {
        task(0, target, x);
    } else {
        target
            .par_chunks_mut(rows * width)
            .zip(x.par_chunks(rows * width))
            .enumerate()
            .for_each(|(index, (target, x))| task(index, target, x));
    }
}

/// For each column the sum over rows of `term(gradient, x, mean, scale)`, added up task by task in order.
pub(super) fn column_sums(
    gradient: &[f32],
    x: &[f32],
    statistics: &RowStatistics,
    width: usize,
    term: impl Fn(f32, f32, f32, f32) -> f32 + Copy + Sync,
) -> Vec<f32> {
    assert_eq!(gradient.len(), x.len(), "the operands differ in size");
    let rows = rows_per_task(width);
    let partial: Vec<Vec<f32>> = gradient
        .par_chunks((rows * width).max(1))
        .zip(x.par_chunks((rows * width).max(1)))
        .enumerate()
        .map(|(index, (gradient, x))| {
            let mut sums = vec![0.0_f32; width];
            vectorised(
                #[inline(always)]
                || {
                    let pairs = gradient.chunks_exact(width).zip(x.chunks_exact(width));
                    for (i, (gradient, x)) in pairs.enumerate() {
                        let [mean, scale] = statistics
                            .0
                            .get(index * rows + i)
                            .copied()
                            .unwrap_or_default();
                        for ((sum, &g), &x) in sums.iter_mut().zip(gradient).zip(x) {
                            *sum += term(g, x, mean, scale);
                        }
                    }
                },
            );
            sums
        })
        .collect();
    let mut total = vec![0.0_f32; width];
    for sums in partial {
        for (total, sum) in total.iter_mut().zip(sums) {
            *total += sum;
        }
    }
    total
}
