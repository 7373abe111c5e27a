//! Small matrix products with strides, for one thread.
//!
//! Attention multiplies many small matrices that lie strided in larger tensors. A product here packs nothing and
//! allocates nothing; a register tile of rows by vectors stays in registers over the whole depth.
#![allow(unsafe_code)]

use pulp::{Simd, WithSimd};

/// The left operand `[m, k]`, any strides, in elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    pub(super) data: *const f32,
    pub(super) row: isize,
    pub(super) column: isize,
}

impl Left {
    /// The matrix without its first rows.
    pub(super) fn skip_rows(self, row: usize) -> Self {
        Self {
            data: self.data.wrapping_offset(row as isize * self.row),
            ..self
        }
    }

    /// The same matrix as a right operand.
    pub(super) fn right(self) -> Right {
        debug_assert_eq!(self.column, 1);
        Right {
            data: self.data,
            row: self.row,
        }
    }

    /// Its transpose.
    pub(super) fn transposed(self) -> Self {
        Self {
            row: self.column,
            column: self.row,
            ..self
        }
    }
}

/// The right operand `[k, n]`, the elements of a row side by side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Right {
    pub(super) data: *const f32,
    pub(super) row: isize,
}

/// The product `[m, n]`, the elements of a row side by side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) data: *mut f32,
    pub(super) row: isize,
}

impl Target {
    /// The part of the target that starts at a row and column.
    pub(super) fn part(self, row: usize, column: usize) -> Self {
        Self {
            data: self
                .data
                .wrapping_offset(row as isize * self.row)
                .wrapping_add(column),
            ..self
        }
    }
}

/// What happens to the numbers in the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// They are overwritten.
    Replace,
    /// The product is added to them.
    Add,
}

/// `target = left right` or `target += left right` for `[m, n, k]`, on this thread.
///
/// # Safety
/// The operands are readable and the target is writable over their whole extent, the target overlaps neither
/// operand, and with [`Store::Add`] it is initialised.
pub(super) unsafe fn multiply(
    size: [usize; 3],
    left: Left,
    right: Right,
    target: Target,
    store: Store,
) {
    pulp::Arch::new().dispatch(Product {
        size,
        left,
        right,
        target,
        store,
    });
}

struct Product {
    size: [usize; 3],
    left: Left,
    right: Right,
    target: Target,
    store: Store,
}

impl WithSimd for Product {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // A tile of 8 x 3 vectors needs 28 registers, one of 6 x 2 needs 15: one of 4 x 3 needs all 16, of which
        // the compiler then keeps one sum in memory, and every step of the depth waits for it.
        if S::REGISTER_COUNT >= 32 {
            self.panels::<S, 8, 3>(simd)
        } else {
            self.panels::<S, 6, 2>(simd)
        }
    }
}

impl Product {
    /// Cuts the columns into panels of up to `WIDTH` vectors (at most three) of nearly equal number.
    #[inline(always)]
    fn panels<S: Simd, const ROWS: usize, const WIDTH: usize>(&self, simd: S) {
        let n = self.size[1];
        let vectors = n.div_ceil(S::F32_LANES);
        let panels = vectors.div_ceil(WIDTH);
        let mut first = 0;
        for panel in 0..panels {
            let count = vectors / panels + usize::from(panel < vectors % panels);
            let start = first * S::F32_LANES;
            let end = n.min((first + count) * S::F32_LANES);
            let whole = end - start == count * S::F32_LANES;
            match (count, whole) {
                (1, true) => self.rows::<S, ROWS, 1, false>(simd, start, end),
                (1, false) => self.rows::<S, ROWS, 1, true>(simd, start, end),
                (2, true) => self.rows::<S, ROWS, 2, false>(simd, start, end),
                (2, false) => self.rows::<S, ROWS, 2, true>(simd, start, end),
                (_, true) => self.rows::<S, ROWS, 3, false>(simd, start, end),
                (_, false) => self.rows::<S, ROWS, 3, true>(simd, start, end),
            }
            first += count;
        }
    }

    /// Cuts the rows of one panel into tiles of `ROWS`, then 4, 2 and 1.
    #[inline(always)]
    fn rows<S: Simd, const ROWS: usize, const VECTORS: usize, const PARTIAL: bool>(
        &self,
        simd: S,
        start: usize,
        end: usize,
    ) {
        let m = self.size[0];
        let mut row = 0;
        while m - row >= ROWS {
            simd.vectorize(Tile::<ROWS, VECTORS, PARTIAL> {
                product: self,
                row,
                start,
                end,
            });
            row += ROWS;
        }
        if ROWS > 4 && m - row >= 4 {
            simd.vectorize(Tile::<4, VECTORS, PARTIAL> {
                product: self,
                row,
                start,
                end,
            });
            row += 4;
        }
        if m - row >= 2 {
            simd.vectorize(Tile::<2, VECTORS, PARTIAL> {
                product: self,
                row,
                start,
                end,
            });
            row += 2;
        }
        if m - row >= 1 {
            simd.vectorize(Tile::<1, VECTORS, PARTIAL> {
                product: self,
                row,
                start,
                end,
            });
        }
    }
}

/// One register tile; `PARTIAL` when the last vector sticks out of the matrix.
struct Tile<'a, const ROWS: usize, const VECTORS: usize, const PARTIAL: bool> {
    product: &'a Product,
    row: usize,
    start: usize,
    end: usize,
}

impl<const ROWS: usize, const VECTORS: usize, const PARTIAL: bool> WithSimd
    for Tile<'_, ROWS, VECTORS, PARTIAL>
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            product:
                &Product {
                    size: [_, _, k],
                    left,
                    right,
                    target,
                    store,
                },
            row,
            start,
            end,
        } = self;
        let lanes = S::F32_LANES;
        let last = (end - start) - (VECTORS - 1) * lanes;
        let mask = simd.mask_between_m32s(0, last as u32);
        let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
        // SAFETY: `multiply`'s caller vouches for the operands; the row and column ranges lie inside the matrices,
        // and the lanes of a partial vector that stick out are masked.
        unsafe {
            let mut a = left.data.offset(row as isize * left.row);
            let mut b = right.data.add(start);
            for _ in 0..k {
                let mut vectors = [simd.splat_f32s(0.0); VECTORS];
                for (v, vector) in vectors.iter_mut().enumerate() {
                    *vector = if PARTIAL && v + 1 == VECTORS {
                        simd.mask_load_ptr_f32s(mask, b.add(v * lanes))
                    } else {
                        load(simd, b.add(v * lanes))
                    };
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    let a = simd.splat_f32s(*a.offset(i as isize * left.row));
                    for (sum, &vector) in sums.iter_mut().zip(&vectors) {
                        *sum = simd.mul_add_e_f32s(a, vector, *sum);
                    }
                }
                a = a.wrapping_offset(left.column);
                b = b.wrapping_offset(right.row);
            }
            for (i, sums) in sums.iter().enumerate() {
                let c = target
                    .data
                    .offset((row + i) as isize * target.row)
                    .add(start);
                for (v, &sum) in sums.iter().enumerate() {
                    let c = c.add(v * lanes);
                    if PARTIAL && v + 1 == VECTORS {
                        let sum = match store {
                            Store::Replace => sum,
                            Store::Add => simd.add_f32s(simd.mask_load_ptr_f32s(mask, c), sum),
                        };
                        simd.mask_store_ptr_f32s(mask, c, sum);
                    } else {
                        let sum = match store {
                            Store::Replace => sum,
                            Store::Add => simd.add_f32s(load(simd, c), sum),
                        };
                        c.cast::<S::f32s>().write_unaligned(sum);
                    }
                }
            }
        }
    }
}

/// One vector from anywhere.
///
/// # Safety
/// A whole vector is readable at `data`.
#[inline(always)]
pub(super) unsafe fn load<S: Simd>(_: S, data: *const f32) -> S::f32s {
    // SAFETY: the caller's promise; the read may be unaligned.
    unsafe { data.cast::<S::f32s>().read_unaligned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(length: usize) -> Vec<f32> {
        (0..length)
            .map(|i| ((i * 7919) % 23) as f32 - 11.0)
            .collect()
    }

    #[test]
    fn product_of_every_small_size_and_stride_is_exact() {
        for [m, n, k] in [
            [1, 1, 1],
            [8, 48, 5],
            [7, 47, 3],
            [13, 33, 9],
            [9, 17, 1],
            [3, 64, 0],
            [15, 100, 31],
        ] {
            for pad in [0, 3] {
                let (a, b) = (ramp(m * (k + pad)), ramp(k * (n + pad) + 1));
                for (row, column) in [(k + pad, 1), (1, m)] {
                    let mut c = vec![1.0_f32; m * (n + pad)];
                    for store in [Store::Replace, Store::Add] {
                        let before = c.clone();
                        let left = Left {
                            data: a.as_ptr(),
                            row: row as isize,
                            column: column as isize,
                        };
                        let right = Right {
                            data: b.as_ptr(),
                            row: (n + pad) as isize,
                        };
                        let target = Target {
                            data: c.as_mut_ptr(),
                            row: (n + pad) as isize,
                        };
                        // SAFETY: the vectors hold the matrices with their padding.
                        unsafe { multiply([m, n, k], left, right, target, store) };
                        for i in 0..m {
                            for j in 0..n + pad {
                                let product: f32 = (0..k)
                                    .map(|p| a[i * row + p * column] * b[p * (n + pad) + j])
                                    .sum();
                                let base = if store == Store::Add {
                                    before[i * (n + pad) + j]
                                } else {
                                    0.0
                                };
                                let expected = if j < n { base + product } else { 1.0 };
                                assert_eq!(
                                    c[i * (n + pad) + j],
                                    expected,
                                    "{m}x{n}x{k} at {i},{j}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}
