//! Products of f32 matrices that are rounded to bf16 pairs, for one thread with tiles.
//!
//! The left operand becomes rows of pairs along the depth, the right one panels of [`PANEL`] columns; each comes from a
//! matrix or from its transpose.
#![allow(unsafe_code)]

use core::arch::x86_64::*;

use super::amx::{ROWS, Tiles};
use super::bf16;
use super::matrix::{Left, Store, Target};
use super::transposition::transpose;
use super::weight::{PAIRS, PANEL, panel_pairs};

/// A left operand in scratch memory.
#[derive(Clone, Copy)]
pub(super) struct PairRows {
    data: *const u32,
    stride: usize,
}

impl PairRows {
    /// Pairs of memory for `rows` rows of `depth` numbers.
    pub(super) fn room(rows: usize, depth: usize) -> usize {
        rows.next_multiple_of(ROWS) * panel_pairs(depth)
    }

    /// The rows of `source`, `[rows, depth]`, its numbers side by side.
    ///
    /// # Safety
    /// The processor has tiles, `source` is readable over its whole extent.
    ///
    /// # Panics
    /// When `memory` is smaller than [`room`](Self::room).
    pub(super) unsafe fn of(source: Left, [rows, depth]: [usize; 2], memory: &mut [u32]) -> Self {
        assert!(memory.len() >= Self::room(rows, depth), "too little memory");
        let (data, stride) = (memory.as_mut_ptr(), panel_pairs(depth));
        // SAFETY: the caller's promise, and the assertion.
        unsafe { bf16::round_rows(source, rows, depth, data, stride) };
        Self { data, stride }
    }

    /// The columns of `source`, `[depth, rows]`, the numbers of its rows side by side; `between` is room for one copy.
    ///
    /// # Safety
    /// As [`of`](Self::of).
    ///
    /// # Panics
    /// When `memory` is smaller than [`room`](Self::room), or `between` than that of the panels.
    pub(super) unsafe fn of_columns(
        source: Left,
        [rows, depth]: [usize; 2],
        memory: &mut [u32],
        between: &mut [u32],
    ) -> Self {
        assert!(memory.len() >= Self::room(rows, depth), "too little memory");
        let (pairs, width) = (panel_pairs(depth), rows.next_multiple_of(PAIRS));
        let between = &mut between[..pairs * width];
        // SAFETY: the caller's promise, and the assertion; the copy holds `pairs` rows of `width` pairs.
        unsafe {
            interleave(source, [depth, rows], between.as_mut_ptr(), [pairs, width]);
            turn(
                between.as_ptr(),
                width,
                [pairs, rows],
                memory.as_mut_ptr(),
                pairs,
            );
        }
        Self {
            data: memory.as_ptr(),
            stride: pairs,
        }
    }
}

/// A right operand in scratch memory.
#[derive(Clone, Copy)]
pub(super) struct Panels {
    data: *const u32,
    /// Pairs of one panel.
    stride: usize,
}

impl Panels {
    /// Pairs of memory for `depth` rows of `columns` numbers.
    pub(super) fn room(depth: usize, columns: usize) -> usize {
        columns.next_multiple_of(PANEL) * panel_pairs(depth)
    }

    /// The matrix `source`, `[depth, columns]`, the numbers of its rows side by side.
    ///
    /// # Safety
    /// The processor has tiles, `source` is readable over its whole extent.
    ///
    /// # Panics
    /// When `memory` is smaller than [`room`](Self::room).
    pub(super) unsafe fn of(
        source: Left,
        [depth, columns]: [usize; 2],
        memory: &mut [u32],
    ) -> Self {
        let pairs = panel_pairs(depth);
        let panels = memory[..Self::room(depth, columns)].chunks_exact_mut((pairs * PANEL).max(1));
        for (first, panel) in (0..columns).step_by(PANEL).zip(panels) {
            let strip = Left {
                data: source.data.wrapping_add(first),
                ..source
            };
            let columns = (columns - first).min(PANEL);
            // SAFETY: the caller's promise; a panel holds `pairs` rows of `PANEL` pairs.
            unsafe { interleave(strip, [depth, columns], panel.as_mut_ptr(), [pairs, PANEL]) };
        }
        Self {
            data: memory.as_ptr(),
            stride: pairs * PANEL,
        }
    }

    /// The transpose of `source`, `[columns, depth]`, the numbers of its rows side by side; `between` is room for one
    /// copy.
    ///
    /// # Safety
    /// As [`of`](Self::of).
    ///
    /// # Panics
    /// When `memory` is smaller than [`room`](Self::room), or `between` than that of the rows.
    pub(super) unsafe fn of_columns(
        source: Left,
        [depth, columns]: [usize; 2],
        memory: &mut [u32],
        between: &mut [u32],
    ) -> Self {
        let pairs = panel_pairs(depth);
        // SAFETY: the caller's promise.
        let rows = unsafe { PairRows::of(source, [columns, depth], between) };
        let panels = memory[..Self::room(depth, columns)].chunks_exact_mut((pairs * PANEL).max(1));
        for (first, panel) in (0..columns).step_by(PANEL).zip(panels) {
            let columns = (columns - first).min(PANEL);
            if columns < PANEL {
                panel.fill(0);
            }
            // SAFETY: the rows hold `pairs` pairs each, a panel as many rows.
            unsafe {
                let rows = rows.data.add(first * rows.stride);
                turn(rows, pairs, [columns, pairs], panel.as_mut_ptr(), PANEL);
            }
        }
        Self {
            data: memory.as_ptr(),
            stride: pairs * PANEL,
        }
    }

    /// The columns from `column` on, a multiple of [`PANEL`].
    pub(super) fn skip_columns(self, column: usize) -> Self {
        debug_assert_eq!(column % PANEL, 0);
        Self {
            data: self.data.wrapping_add(column / PANEL * self.stride),
            ..self
        }
    }

    /// The depth from `depth` on, a multiple of two tiles' rows.
    pub(super) fn skip_depth(self, depth: usize) -> Self {
        debug_assert_eq!(depth % (2 * PAIRS), 0);
        Self {
            data: self.data.wrapping_add(depth / 2 * PANEL),
            ..self
        }
    }
}

/// `target = left right` or `target += left right` for `[rows, columns, depth]`.
///
/// # Safety
/// The operands were made for at least this size, and their memory is as it was then. The target is writable over its
/// extent, initialised when the store adds.
pub(super) unsafe fn multiply(
    tiles: &Tiles,
    [rows, columns, depth]: [usize; 3],
    left: PairRows,
    right: Panels,
    target: Target,
    store: Store,
) {
    let pairs = panel_pairs(depth);
    for (index, first) in (0..columns).step_by(PANEL).enumerate() {
        let size = [rows, (columns - first).min(PANEL), pairs];
        let panel = right.data.wrapping_add(index * right.stride);
        // SAFETY: the caller's promise; the memory of the left operand has room for whole tiles of rows.
        unsafe {
            tiles.multiply_panel(
                size,
                left.data,
                left.stride,
                panel,
                target.part(0, first),
                store,
            )
        };
    }
}

/// Writes rows `2 i` and `2 i + 1` of `source` as row `i` of `width` pairs, for `pairs` rows; rows and columns beyond those of
/// `source` are zeros.
///
/// # Safety
/// The processor has tiles. `source`, `[depth, columns]`, is readable with the numbers of its rows side by side;
/// `target` holds the rows, and `width` is a multiple of 16.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn interleave(
    source: Left,
    [depth, columns]: [usize; 2],
    target: *mut u32,
    [pairs, width]: [usize; 2],
) {
    let order: [u16; 32] = core::array::from_fn(|i| (i as u16 % 2) * 16 + i as u16 / 2);
    // SAFETY: the array has the size of the vector.
    let order = unsafe { order.as_ptr().cast::<__m512i>().read_unaligned() };
    for pair in 0..pairs {
        for start in (0..width).step_by(16) {
            let mask = |row: usize| match row < depth {
                true => ((1_u32 << columns.saturating_sub(start).min(16)) - 1) as u16,
                false => 0,
            };
            // SAFETY: the caller's promise; masked lanes are not read.
            unsafe {
                let row = |row: usize| {
                    let data = source.data.wrapping_offset(row as isize * source.row);
                    _mm512_maskz_loadu_ps(mask(row), data.wrapping_add(start))
                };
                let both = _mm512_cvtne2ps_pbh(row(2 * pair + 1), row(2 * pair));
                let both = _mm512_permutexvar_epi16(
                    order,
                    core::mem::transmute::<__m512bh, __m512i>(both),
                );
                target
                    .add(pair * width + start)
                    .cast::<__m512i>()
                    .write_unaligned(both);
            }
        }
    }
}

/// Writes the transpose of `[rows, columns]` pairs.
///
/// # Safety
/// `source` holds rows `source_stride` apart, `target` the transpose with rows `stride` apart.
unsafe fn turn(
    source: *const u32,
    source_stride: usize,
    [rows, columns]: [usize; 2],
    target: *mut u32,
    stride: usize,
) {
    let source = Left {
        data: source.cast(),
        row: source_stride as isize,
        column: 1,
    };
    // SAFETY: the caller's promise; f32 and u32 have the same size and alignment, and a copy keeps every bit.
    unsafe { transpose(source, rows, columns, target.cast(), stride) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::amx;

    /// Small integers: exact in bf16, and so are their sums of products in f32.
    fn integers(rows: usize, columns: usize) -> Vec<f32> {
        (0..rows * columns)
            .map(|i| ((i * 7919) % 17) as f32 - 8.0)
            .collect()
    }

    fn transposed(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
        (0..rows * columns)
            .map(|i| x[i % rows * columns + i / rows])
            .collect()
    }

    fn matrix(x: &[f32], columns: usize) -> Left {
        Left {
            data: x.as_ptr(),
            row: columns as isize,
            column: 1,
        }
    }

    #[test]
    fn products_of_integers_are_exact_from_either_side() {
        if !amx::is_available() {
            return;
        }
        for [m, n, k] in [[1, 1, 1], [33, 50, 7], [64, 48, 32], [5, 97, 70], [3, 4, 0]] {
            let (a, b) = (integers(m, k), integers(k, n));
            let (a_turned, b_turned) = (transposed(&a, m, k), transposed(&b, k, n));
            let [mut of_a, mut of_b, mut between] = [(); 3].map(|()| vec![u32::MAX; 1 << 16]);
            for from_columns in [false, true] {
                // SAFETY: the vectors hold the matrices, the processor has tiles.
                let product = unsafe {
                    let (left, right) = match from_columns {
                        false => (
                            PairRows::of(matrix(&a, k), [m, k], &mut of_a),
                            Panels::of(matrix(&b, n), [k, n], &mut of_b),
                        ),
                        true => (
                            PairRows::of_columns(
                                matrix(&a_turned, m),
                                [m, k],
                                &mut of_a,
                                &mut between,
                            ),
                            Panels::of_columns(
                                matrix(&b_turned, k),
                                [k, n],
                                &mut of_b,
                                &mut between,
                            ),
                        ),
                    };
                    let mut product = vec![f32::NAN; m * n];
                    let target = Target {
                        data: product.as_mut_ptr(),
                        row: n as isize,
                    };
                    let tiles = Tiles::configure();
                    multiply(&tiles, [m, n, k], left, right, target, Store::Replace);
                    multiply(&tiles, [m, n, k], left, right, target, Store::Add);
                    product
                };
                for (i, &number) in product.iter().enumerate() {
                    let (row, column) = (i / n, i % n);
                    let sum: f32 = (0..k).map(|p| a[row * k + p] * b[p * n + column]).sum();
                    assert_eq!(number, 2.0 * sum, "{m}x{n}x{k} at {row},{column}");
                }
            }
        }
    }
}
