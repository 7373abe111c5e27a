//! Tiles of bf16 pairs with AVX-512 BF16: two products per lane and instruction, summed in f32.
#![allow(unsafe_code)]

use core::arch::x86_64::*;

use super::matrix::{Left, Store, Target};
use super::weight::PANEL;

/// Whether this processor multiplies bf16 pairs.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bf16")
}

/// Rounds `rows` rows of `depth` numbers to bf16 pairs, `stride` pairs apart; pads with zeros to whole vectors.
///
/// # Safety
/// [`is_available`]; `left` is readable with its numbers side by side, and `target` holds `rows * stride` pairs with
/// `stride` a multiple of 16 of at least half the depth.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn round_rows(
    left: Left,
    rows: usize,
    depth: usize,
    target: *mut u32,
    stride: usize,
) {
    for row in 0..rows {
        // SAFETY: the caller's promise; masked lanes are not read.
        unsafe {
            let source = left.data.offset(row as isize * left.row);
            let target = target.add(row * stride);
            for start in (0..depth).step_by(32) {
                let mask = |count: usize| ((1_u32 << count.min(16)) - 1) as u16;
                let rest = depth - start;
                let low = _mm512_maskz_loadu_ps(mask(rest), source.add(start));
                let high = _mm512_maskz_loadu_ps(
                    mask(rest.saturating_sub(16)),
                    source.wrapping_add(start + 16),
                );
                let pairs = _mm512_cvtne2ps_pbh(high, low);
                target
                    .add(start / 2)
                    .cast::<__m512bh>()
                    .write_unaligned(pairs);
            }
        }
    }
}

/// `target = left panel` or `target += left panel` for `rows` rows of `pairs` pairs and up to [`PANEL`] columns.
///
/// # Safety
/// [`is_available`]; `left` holds rows `stride` pairs apart, `panel` holds `pairs` rows of `PANEL` pairs, and the target
/// is writable for its rows and columns, initialised when the store adds.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn multiply_panel(
    [rows, columns, pairs]: [usize; 3],
    left: *const u32,
    stride: usize,
    panel: *const u32,
    target: Target,
    store: Store,
) {
    // SAFETY: the caller's promise, for the rows of each tile.
    unsafe {
        match columns.div_ceil(16) {
            1 => strips::<1>([rows, columns, pairs], left, stride, panel, target, store),
            2 => strips::<2>([rows, columns, pairs], left, stride, panel, target, store),
            _ => strips::<3>([rows, columns, pairs], left, stride, panel, target, store),
        }
    }
}

/// # Safety
/// As [`multiply_panel`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn strips<const VECTORS: usize>(
    [rows, columns, pairs]: [usize; 3],
    left: *const u32,
    stride: usize,
    panel: *const u32,
    target: Target,
    store: Store,
) {
    let mut row = 0;
    while row < rows {
        // SAFETY: the caller's promise.
        unsafe {
            let left = left.add(row * stride);
            let target = target.part(row, 0);
            row += match rows - row {
                8.. => tile::<8, VECTORS>(columns, pairs, left, stride, panel, target, store),
                4.. => tile::<4, VECTORS>(columns, pairs, left, stride, panel, target, store),
                2.. => tile::<2, VECTORS>(columns, pairs, left, stride, panel, target, store),
                _ => tile::<1, VECTORS>(columns, pairs, left, stride, panel, target, store),
            };
        }
    }
}

/// One register tile; returns its rows.
///
/// # Safety
/// As [`multiply_panel`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn tile<const ROWS: usize, const VECTORS: usize>(
    columns: usize,
    pairs: usize,
    left: *const u32,
    stride: usize,
    panel: *const u32,
    target: Target,
    store: Store,
) -> usize {
    let mut sums = [[_mm512_setzero_ps(); VECTORS]; ROWS];
    for p in 0..pairs {
        // SAFETY: the caller's promise; a panel is padded to `PANEL` columns.
        unsafe {
            let row = panel.add(p * PANEL);
            let vectors: [__m512bh; VECTORS] =
                core::array::from_fn(|v| row.add(16 * v).cast::<__m512bh>().read_unaligned());
            for (i, sums) in sums.iter_mut().enumerate() {
                let pair = _mm512_set1_epi32((*left.add(i * stride + p)).cast_signed());
                let pair: __m512bh = core::mem::transmute(pair);
                for (sum, &vector) in sums.iter_mut().zip(&vectors) {
                    *sum = _mm512_dpbf16_ps(*sum, pair, vector);
                }
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            let count = columns.saturating_sub(16 * v).min(16);
            let mask = ((1_u32 << count) - 1) as u16;
            let target = target.part(i, 16 * v).data;
            // SAFETY: the caller's promise; masked lanes are neither read nor written.
            unsafe {
                let sum = match store {
                    Store::Replace => sum,
                    Store::Add => _mm512_add_ps(_mm512_maskz_loadu_ps(mask, target), sum),
                };
                _mm512_mask_storeu_ps(target, mask, sum);
            }
        }
    }
    ROWS
}
