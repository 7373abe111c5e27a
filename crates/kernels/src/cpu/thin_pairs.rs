//! [`super::thin`] for a right operand in bf16: products of a few rows of pairs with a matrix as it is stored.
//!
//! A row gives the bits that it gives among many others, so that the sums follow the instruction which multiplies
//! those: a tile sums the first and the second numbers of 16 pairs apart, then adds both (Intel's manual, TDPBF16PS;
//! numbers below 1e-38 aside, which it takes for zeros).
#![allow(unsafe_code)]

use core::{arch::x86_64::*, mem::transmute};

use super::matrix::{Store, Target};
use super::passes::passes;
use super::thin::{ROWS, WIDTH};
use super::weight::{Half, PAIRS};

/// Columns of a vector of bf16.
const LANES: usize = 32;

/// Pairs of rows that are read side by side.
const STEPS: usize = 4;

const _: () = assert!(PAIRS.is_multiple_of(STEPS) && WIDTH.is_multiple_of(LANES));

/// The left operand, rows of pairs.
#[derive(Clone, Copy)]
pub(super) struct Pairs {
    pub(super) data: *const u32,
    /// Pairs from a row to the next, as many as the depth has rounded up.
    pub(super) stride: usize,
}

/// Which instruction the sums follow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Tiles of 16 pairs.
    Tiles,
    /// Pair after pair.
    Vectors,
}

/// `target = left right` or `target += left right` for `[rows, columns, depth]`, of up to [`ROWS`] rows and [`WIDTH`]
/// columns.
///
/// # Safety
/// The processor has AVX-512 BF16, the operands are readable and the target is writable over their whole extent, and
/// with [`Store::Add`] it is initialised.
///
/// # Panics
/// When there are more rows or columns.
pub(super) unsafe fn multiply(
    [rows, columns, depth]: [usize; 3],
    left: Pairs,
    right: Half,
    target: Target,
    store: Store,
    order: Order,
) {
    assert!(columns <= WIDTH, "a strip of {columns} columns");
    let size = [columns, depth];
    // SAFETY: the caller's promise.
    unsafe {
        match rows {
            0 => {}
            1 => strip::<1>(size, left, right, target, store, order),
            2 => strip::<2>(size, left, right, target, store, order),
            3 => strip::<3>(size, left, right, target, store, order),
            ROWS => strip::<ROWS>(size, left, right, target, store, order),
            _ => panic!("{rows} rows of a thin product"),
        }
    }
}

/// Sums of a strip, each 32 columns as two vectors.
type Sums<const M: usize> = [[f32; WIDTH]; M];

/// # Safety
/// As [`multiply`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn strip<const M: usize>(
    size: [usize; 2],
    left: Pairs,
    right: Half,
    target: Target,
    store: Store,
    order: Order,
) {
    // SAFETY: the caller's promise.
    unsafe {
        match order {
            Order::Tiles => by_tiles::<M>(size, left, right, target, store),
            Order::Vectors => by_vectors::<M>(size, left, right, target, store),
        }
    }
}

/// # Safety
/// As [`multiply`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn by_tiles<const M: usize>(
    [columns, depth]: [usize; 2],
    left: Pairs,
    right: Half,
    target: Target,
    store: Store,
) {
    // The columns with even numbers, then those with odd ones, as a shift and a mask find them in pairs of columns.
    let order = |i: usize| 2 * (i % 16) + i / 16;
    let mut totals: Sums<M> = [[0.0; WIDTH]; M];
    if store == Store::Add {
        // SAFETY: the caller's promise.
        unsafe { read(target, columns, order, &mut totals) };
    }
    let [mut first, mut second]: [Sums<M>; 2] = [[[0.0; WIDTH]; M]; 2];
    let width = columns.next_multiple_of(LANES);
    for tile in (0..depth).step_by(2 * PAIRS) {
        for sums in first.iter_mut().chain(&mut second) {
            sums[..width].fill(0.0);
        }
        for start in (tile..depth.min(tile + 2 * PAIRS)).step_by(2 * STEPS) {
            let factors = factors::<M>(left, start / 2);
            for at in (0..columns).step_by(LANES) {
                // SAFETY: the caller's promise; the sums are as wide as the widest strip.
                unsafe {
                    let vectors = rows(right, start, at, [columns, depth]);
                    for (m, factors) in factors.iter().enumerate() {
                        let first = first[m].as_mut_ptr().add(at);
                        let second = second[m].as_mut_ptr().add(at);
                        add_apart([first, second], factors, vectors);
                    }
                }
            }
        }
        for (m, totals) in totals.iter_mut().enumerate() {
            for ((total, first), second) in
                totals[..width].iter_mut().zip(&first[m]).zip(&second[m])
            {
                *total += first + second;
            }
        }
    }
    // SAFETY: the caller's promise.
    unsafe { write(&totals, target, columns, order, Store::Replace) };
}

/// Adds products of the first numbers of pairs to one sum, of the second ones to another.
///
/// # Safety
/// The sums have room for two vectors each.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
unsafe fn add_apart(sums: [*mut f32; 2], factors: &[u32; STEPS], vectors: [[__m512i; 2]; STEPS]) {
    let upper = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
    // SAFETY: the caller's promise.
    unsafe {
        for (half, sums) in sums.into_iter().enumerate() {
            let mut even = _mm512_loadu_ps(sums);
            let mut odd = _mm512_loadu_ps(sums.add(16));
            for (factor, vectors) in factors.iter().zip(vectors) {
                let factor = match half {
                    0 => factor << 16,
                    _ => factor & 0xffff_0000,
                };
                let factor = _mm512_set1_ps(f32::from_bits(factor));
                let of_even = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(vectors[half]));
                let of_odd = _mm512_castsi512_ps(_mm512_and_si512(vectors[half], upper));
                even = _mm512_fmadd_ps(factor, of_even, even);
                odd = _mm512_fmadd_ps(factor, of_odd, odd);
            }
            _mm512_storeu_ps(sums, even);
            _mm512_storeu_ps(sums.add(16), odd);
        }
    }
}

/// # Safety
/// As [`multiply`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn by_vectors<const M: usize>(
    [columns, depth]: [usize; 2],
    left: Pairs,
    right: Half,
    target: Target,
    store: Store,
) {
    // Within each 8 columns the first four, then the others, as unpacking leaves them.
    let order = |i: usize| 8 * (i % 16 / 4) + i % 4 + 4 * (i / 16);
    for (pairs, store) in passes(depth.div_ceil(2), store) {
        let mut sums: Sums<M> = [[0.0; WIDTH]; M];
        for pair in pairs.clone().step_by(STEPS) {
            let size = [columns, depth.min(2 * pairs.end)];
            let factors = factors::<M>(left, pair);
            for at in (0..columns).step_by(LANES) {
                // SAFETY: the caller's promise; the sums are as wide as the widest strip.
                unsafe {
                    let vectors = rows(right, 2 * pair, at, size);
                    for (sums, factors) in sums.iter_mut().zip(&factors) {
                        add_pairs(sums.as_mut_ptr().add(at), factors, vectors);
                    }
                }
            }
        }
        // SAFETY: the caller's promise.
        unsafe { write(&sums, target, columns, order, store) };
    }
}

/// Adds products of pairs.
///
/// # Safety
/// The sums have room for two vectors.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
unsafe fn add_pairs(sums: *mut f32, factors: &[u32; STEPS], vectors: [[__m512i; 2]; STEPS]) {
    type Pairs = __m512bh;
    // SAFETY: the caller's promise; every bit pattern is a vector of either kind.
    unsafe {
        let mut low = _mm512_loadu_ps(sums);
        let mut high = _mm512_loadu_ps(sums.add(16));
        for (factor, [upper, lower]) in factors.iter().zip(vectors) {
            let factor: Pairs = transmute(_mm512_set1_epi32(factor.cast_signed()));
            let unpacked: Pairs = transmute(_mm512_unpacklo_epi16(upper, lower));
            low = _mm512_dpbf16_ps(low, factor, unpacked);
            let unpacked: Pairs = transmute(_mm512_unpackhi_epi16(upper, lower));
            high = _mm512_dpbf16_ps(high, factor, unpacked);
        }
        _mm512_storeu_ps(sums, low);
        _mm512_storeu_ps(sums.add(16), high);
    }
}

/// Numbers from a column on of a few pairs of rows; those beyond the depth and the columns are zeros.
///
/// # Safety
/// The operand is readable over `[columns, depth]`.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
unsafe fn rows(
    right: Half,
    start: usize,
    column: usize,
    [columns, depth]: [usize; 2],
) -> [[__m512i; 2]; STEPS] {
    let count = (columns - column).min(LANES);
    let mask = ((1_u64 << count) - 1) as u32;
    let mut vectors = [[_mm512_setzero_si512(); 2]; STEPS];
    // A loop, not a closure, which would not be inlined into code for these instructions.
    for (i, vector) in vectors.as_flattened_mut().iter_mut().enumerate() {
        let row = start + i;
        if row < depth {
            let data = right.data.wrapping_offset(row as isize * right.row);
            // SAFETY: the caller's promise; masked lanes are not read.
            *vector = unsafe { _mm512_maskz_loadu_epi16(mask, data.wrapping_add(column).cast()) };
        }
    }
    vectors
}

/// A few pairs of each row of the left operand, which is padded to whole tiles.
fn factors<const M: usize>(left: Pairs, pair: usize) -> [[u32; STEPS]; M] {
    // SAFETY: the caller of `multiply` vouches for the operand.
    let at = |row: usize, step: usize| unsafe { *left.data.add(row * left.stride + pair + step) };
    core::array::from_fn(|row| core::array::from_fn(|step| at(row, step)))
}

/// Sums that begin at what is in the target; `order` is the column of each of 32 sums.
///
/// # Safety
/// The target is readable.
unsafe fn read<const M: usize>(
    target: Target,
    columns: usize,
    order: impl Fn(usize) -> usize,
    sums: &mut Sums<M>,
) {
    for (row, sums) in sums.iter_mut().enumerate() {
        for (i, sum) in sums[..columns.next_multiple_of(LANES)]
            .iter_mut()
            .enumerate()
        {
            let column = i / LANES * LANES + order(i % LANES);
            if column < columns {
                // SAFETY: the caller's promise.
                *sum = unsafe { *target.part(row, column).data };
            }
        }
    }
}

/// # Safety
/// The target is writable, and initialised when the store adds.
unsafe fn write<const M: usize>(
    sums: &Sums<M>,
    target: Target,
    columns: usize,
    order: impl Fn(usize) -> usize,
    store: Store,
) {
    for (row, sums) in sums.iter().enumerate() {
        for (i, &sum) in sums[..columns.next_multiple_of(LANES)].iter().enumerate() {
            let column = i / LANES * LANES + order(i % LANES);
            if column < columns {
                let target = target.part(row, column).data;
                // SAFETY: the caller's promise.
                unsafe {
                    target.write(match store {
                        Store::Replace => sum,
                        Store::Add => *target + sum,
                    });
                }
            }
        }
    }
}
