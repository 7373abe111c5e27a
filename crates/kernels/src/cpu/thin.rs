//! Products of a few rows with a matrix that lies as it is stored, for one thread.
//!
//! Generating a token reads every weight once, so that the memory sets the pace: a few rows of the right operand are
//! read side by side over a wide strip of columns, which the processor fetches ahead. The sums stand in the first-level
//! cache in the place of registers, and each is formed in the order of [`super::matrix::multiply`].
#![allow(unsafe_code)]

use pulp::{Simd, WithSimd};

use super::matrix::{Left, Right, Store, Target, load};

/// Rows of the left operand up to which these products are the faster ones.
pub(super) const ROWS: usize = 4;

/// Columns of the widest strip.
pub(super) const WIDTH: usize = 512;

/// `target = left right` or `target += left right` for `[m, n, k]`, of up to [`ROWS`] rows and [`WIDTH`] columns.
///
/// # Safety
/// As [`super::matrix::multiply`].
///
/// # Panics
/// When there are more rows or columns.
pub(super) unsafe fn multiply(
    [m, n, k]: [usize; 3],
    left: Left,
    right: Right,
    target: Target,
    store: Store,
) {
    assert!(n <= WIDTH, "a strip of {n} columns");
    let size = [n, k];
    let arch = pulp::Arch::new();
    match m {
        0 => {}
        1 => arch.dispatch(Strip::<1, 8>(size, left, right, target, store)),
        2 => arch.dispatch(Strip::<2, 4>(size, left, right, target, store)),
        3 => arch.dispatch(Strip::<3, 4>(size, left, right, target, store)),
        4 => arch.dispatch(Strip::<4, 4>(size, left, right, target, store)),
        _ => panic!("{m} rows of a thin product"),
    }
}

/// Columns and depth, operands and target; `STEPS` rows of the right operand are read side by side.
struct Strip<const M: usize, const STEPS: usize>([usize; 2], Left, Right, Target, Store);

type Sums<const M: usize> = [[f32; WIDTH]; M];

impl<const M: usize, const STEPS: usize> WithSimd for Strip<M, STEPS> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        simd.vectorize(
            #[inline(always)]
            || self.sum(simd),
        );
    }
}

impl<const M: usize, const STEPS: usize> Strip<M, STEPS> {
    #[inline(always)]
    fn sum<S: Simd>(&self, simd: S) {
        let Self([columns, depth], _, _, target, store) = *self;
        let mut sums: Sums<M> = [[0.0; WIDTH]; M];
        let whole = depth / STEPS * STEPS;
        for start in (0..whole).step_by(STEPS) {
            self.add_rows::<S, STEPS>(simd, start, &mut sums);
        }
        for start in whole..depth {
            self.add_rows::<S, 1>(simd, start, &mut sums);
        }
        for (row, sums) in sums.iter().enumerate() {
            // SAFETY: the caller of `multiply` vouches for the target.
            let target = unsafe {
                core::slice::from_raw_parts_mut(target.part(row, 0).data.cast(), columns)
            };
            write(&sums[..columns], target, store);
        }
    }

    /// Adds `COUNT` rows of the right operand, times the numbers of the left one.
    #[inline(always)]
    fn add_rows<S: Simd, const COUNT: usize>(&self, simd: S, start: usize, sums: &mut Sums<M>) {
        let Self([columns, _], left, right, ..) = *self;
        let lanes = S::F32_LANES;
        let whole = columns / lanes;
        let mask = simd.mask_between_m32s(0, (columns % lanes) as u32);
        // Loops, not closures: these are compiled for the widest vectors only where they are inlined.
        // SAFETY: the caller of `multiply` vouches for the operands; the sums are as wide as the widest strip, a
        // multiple of any vector.
        unsafe {
            let mut factors = [[simd.splat_f32s(0.0); COUNT]; M];
            for (row, factors) in factors.iter_mut().enumerate() {
                for (step, factor) in factors.iter_mut().enumerate() {
                    let (row, depth) = (row as isize, (start + step) as isize);
                    let number = left.data.offset(row * left.row + depth * left.column);
                    *factor = simd.splat_f32s(*number);
                }
            }
            let mut vectors = [simd.splat_f32s(0.0); COUNT];
            for vector in 0..columns.div_ceil(lanes) {
                let at = vector * lanes;
                for (step, target) in vectors.iter_mut().enumerate() {
                    let from = right
                        .data
                        .offset((start + step) as isize * right.row)
                        .add(at);
                    *target = match vector < whole {
                        true => load(simd, from),
                        false => simd.mask_load_ptr_f32s(mask, from),
                    };
                }
                for (sums, factors) in sums.iter_mut().zip(&factors) {
                    let sums = sums.as_mut_ptr().add(at).cast::<S::f32s>();
                    let mut sum = sums.read_unaligned();
                    for (&factor, &vector) in factors.iter().zip(&vectors) {
                        sum = simd.mul_add_e_f32s(factor, vector, sum);
                    }
                    sums.write_unaligned(sum);
                }
            }
        }
    }
}

#[inline(always)]
fn write(sums: &[f32], target: &mut [core::mem::MaybeUninit<f32>], store: Store) {
    for (target, &sum) in target.iter_mut().zip(sums) {
        match store {
            Store::Replace => target.write(sum),
            // SAFETY: the caller of `multiply` promises an initialised target.
            Store::Add => target.write(unsafe { target.assume_init() } + sum),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::matrix;

    /// The same bits: a row may be generated alone or beside many others.
    #[test]
    fn sums_have_the_bits_of_the_product_in_registers() {
        let numbers = |count: usize| -> Vec<f32> {
            (0..count)
                .map(|i| ((i * 7919) % 1009) as f32 / 777.0 - 0.6)
                .collect()
        };
        for [m, n, k] in [
            [1, 512, 37],
            [2, 100, 64],
            [3, 17, 9],
            [4, 333, 70],
            [1, 5, 0],
        ] {
            let (a, b) = (numbers(m * k + 1), numbers(k * n + 1));
            let left = Left {
                data: a.as_ptr(),
                row: k as isize,
                column: 1,
            };
            let right = Right {
                data: b.as_ptr(),
                row: n as isize,
            };
            let [mut thin, mut tiled] = [(); 2].map(|()| numbers(m * n));
            for store in [Store::Add, Store::Replace] {
                let target = |c: &mut [f32]| Target {
                    data: c.as_mut_ptr(),
                    row: n as isize,
                };
                // SAFETY: the vectors hold the matrices.
                unsafe {
                    multiply([m, n, k], left, right, target(&mut thin), store);
                    matrix::multiply([m, n, k], left, right, target(&mut tiled), store);
                }
                assert!(thin == tiled, "{m}x{n}x{k} {store:?}");
            }
        }
    }
}
