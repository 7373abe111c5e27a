//! Large matrix products, on all cores.
//!
//! The right operand is packed once into panels of [`PANEL`] columns, then blocks of rows are multiplied independently.
//! With few rows some panels together are a task of their own, which packs them where they stay in its cache. Each number
//! of the product is summed in an order that depends on the depth alone.
#![allow(unsafe_code)]

use std::ops::Range;

use rayon::prelude::*;

use super::buffer::Unwritten;
use super::matrix::{Left, Right, Store, Target, multiply};
use super::passes::{Pass, passes};
use super::scratch::with_scratch;
use super::simd::for_each_chunk;
use super::thin;
use super::weight::{Matrix, PANEL, panels_of};
#[cfg(target_arch = "x86_64")]
use super::{
    amx::{self, Tiles},
    bf16,
    scratch::pairs as pairs_of,
    thin_pairs,
    weight::panel_pairs,
};

/// Rows of one task.
const ROWS: usize = 64;
/// Blocks of rows from which on the rows alone keep all cores busy.
const MANY: usize = 8;
/// Rows of the left operand up to which reading the right one is most of the work, so that it crosses the memory bus
/// once. Training has more rows, generating a token has one for each sequence.
const FEW: usize = 128;
/// Panels that a task packs at once, from rows that are read from end to end; those of a layer stay in the second-level
/// cache.
const GROUP: usize = 8;
/// Multiplications below which one thread is faster than several.
const PARALLEL: usize = 128 * 128 * 64;
/// Numbers of the right operand below which one thread reads them faster than several.
const PARALLEL_READ: usize = 1 << 17;

/// `left right` in a new buffer.
pub(super) fn product(left: Matrix<'_>, right: Matrix<'_>) -> Vec<f32> {
    product_onto(left, right, |_, _| Store::Replace)
}

/// `start + left right` in a new buffer; `start` writes the given rows to the target and returns [`Store::Add`], or
/// writes nothing and returns [`Store::Replace`].
pub(super) fn product_onto(
    left: Matrix<'_>,
    right: Matrix<'_>,
    start: impl Fn(Range<usize>, Target) -> Store + Sync,
) -> Vec<f32> {
    assert_eq!(
        left.columns, right.rows,
        "the inner dimensions of a product differ"
    );
    let size = [left.rows, right.columns, left.columns];
    let mut output = Unwritten::new(left.rows * right.columns);
    let output_slots = output.slots().as_mut_ptr().cast();
    let target = Shared(Target {
        data: output_slots,
        row: right.columns as isize,
    });
    #[cfg(target_arch = "x86_64")]
    let by_pairs = right.is_half() && left.left().column == 1 && bf16::is_available();
    #[cfg(not(target_arch = "x86_64"))]
    let by_pairs = false;
    match by_pairs {
        #[cfg(target_arch = "x86_64")]
        true => pair_product(size, left, right, target, start, amx::is_available()),
        _ => single_product(size, left, right, target, start),
    }
    // SAFETY: the tasks cover all rows and columns, and the first pass writes the whole target.
    unsafe { output.assume_written() }
}

/// The product in f32; a bf16 operand is widened when it is packed.
fn single_product(
    [m, n, k]: [usize; 3],
    left: Matrix<'_>,
    right: Matrix<'_>,
    target: Shared,
    start: impl Fn(Range<usize>, Target) -> Store + Sync,
) {
    // Some rows of the product with the panel of these columns, over a part of the depth.
    let multiply_by = |multiply: unsafe fn([usize; 3], Left, Right, Target, Store),
                       rows: &Range<usize>,
                       panel: Right,
                       columns: &Range<usize>,
                       pass: Pass| {
        let (depth, store) = pass;
        let Left { data, row, column } = left.left().skip_rows(rows.start);
        let data = data.wrapping_offset(depth.start as isize * column);
        let right = Right {
            data: panel.data.wrapping_offset(depth.start as isize * panel.row),
            ..panel
        };
        let size = [rows.len(), columns.len(), depth.len()];
        let target = target.part(rows.start, columns.start);
        // SAFETY: the operands borrow their memory, the target part lies inside the output and is written by this task
        // alone; it is initialised when the store adds.
        unsafe { multiply(size, Left { data, row, column }, right, target, store) };
    };
    let multiply_panel = |rows: &Range<usize>, panel: Right, columns: &Range<usize>, pass: Pass| {
        multiply_by(multiply, rows, panel, columns, pass);
    };
    let packed_panel = |packed: &[f32]| Right {
        data: packed.as_ptr(),
        row: PANEL as isize,
    };
    if m <= thin::ROWS && right.panel(0).is_some() {
        return each_strip([m, n, k], target, start, |columns, first| {
            let strip = right.panel(columns.start);
            let strip = strip.expect("the columns are side by side");
            for pass in passes(k, first) {
                multiply_by(thin::multiply, &(0..m), strip, &columns, pass);
            }
        });
    }
    if m <= FEW {
        return each_group([m, n, k], target, start, |columns, first| {
            let panels = panels_of(columns.clone());
            with_scratch([panels.len() * PANEL * k], |[packed]| {
                right.pack_panels(columns.clone(), packed);
                for (panel, columns) in panels.enumerate() {
                    let right = packed_panel(&packed[panel * PANEL * k..]);
                    for pass in passes(k, first) {
                        multiply_panel(&(0..m), right, &columns, pass);
                    }
                }
            });
        });
    }
    with_scratch([n.div_ceil(PANEL) * PANEL * k], |[packed]| {
        for_each_chunk(packed, (PANEL * k).max(1), |panel, packed| {
            right.pack(panel_columns(panel, n), packed)
        });
        let packed: &[f32] = packed;
        schedule([m, n, k], target, start, |rows, panels, first| {
            for (depth, store) in passes(k, first) {
                for panel in panels.clone() {
                    let right = packed_panel(&packed[panel * k * PANEL..]);
                    let columns = panel_columns(panel, n);
                    multiply_panel(&rows, right, &columns, (depth.clone(), store));
                }
            }
        });
    });
}

/// The product of `left` rounded to bf16 and a bf16 operand, summed in f32; with tiles where the processor has them.
#[cfg(target_arch = "x86_64")]
fn pair_product(
    [m, n, k]: [usize; 3],
    left: Matrix<'_>,
    right: Matrix<'_>,
    target: Shared,
    start: impl Fn(Range<usize>, Target) -> Store + Sync,
    with_tiles: bool,
) {
    let pairs = panel_pairs(k);
    // Rounds some rows into `target`, which has room for whole tiles of rows.
    let round = |rows: &Range<usize>, target: &mut [f32]| {
        let strip = left.left().skip_rows(rows.start);
        let target = pairs_of(target).as_mut_ptr();
        // SAFETY: the processor has the instructions, the rows lie inside `left`, and the target holds `pairs` pairs a
        // row, a multiple of 16.
        unsafe { bf16::round_rows(strip, rows.len(), k, target, pairs) };
    };
    let room = |rows: usize| rows.next_multiple_of(amx::ROWS) * pairs;
    // As in `single_product`, from rows that were rounded.
    let multiply_panel = |rows: &Range<usize>,
                          rounded: &[f32],
                          panel: &[f32],
                          columns: &Range<usize>,
                          (depth, store): Pass,
                          tiles: Option<&Tiles>| {
        let size = [rows.len(), columns.len(), depth.len()];
        let left = rounded[depth.start..].as_ptr().cast::<u32>();
        let panel = panel[depth.start * PANEL..].as_ptr().cast::<u32>();
        let to = target.part(rows.start, columns.start);
        // SAFETY: as in `single_product`; `rounded` has whole tiles of rows, rows and panels whole tiles of pairs.
        unsafe {
            match tiles {
                Some(tiles) => tiles.multiply_panel(size, left, pairs, panel, to, store),
                None => bf16::multiply_panel(size, left, pairs, panel, to, store),
            }
        }
    };
    // SAFETY: the caller has asked for them.
    let tiles = || with_tiles.then(|| unsafe { Tiles::configure() });
    if m <= FEW {
        return with_scratch([room(m)], |[rounded]| {
            round(&(0..m), rounded);
            let rounded: &[f32] = rounded;
            if m <= thin::ROWS && right.half_rows(0).is_some() {
                let rows = thin_pairs::Pairs {
                    data: rounded.as_ptr().cast(),
                    stride: pairs,
                };
                let rows = &SharedPairs(rows);
                let order = match with_tiles {
                    true => thin_pairs::Order::Tiles,
                    false => thin_pairs::Order::Vectors,
                };
                return each_strip([m, n, k], target, start, |columns, first| {
                    let half = right.half_rows(columns.start);
                    let half = half.expect("the columns are side by side");
                    let size = [m, columns.len(), k];
                    let target = target.part(0, columns.start);
                    // SAFETY: as in `single_product`; the caller has asked for the instructions.
                    unsafe { thin_pairs::multiply(size, rows.0, half, target, first, order) };
                });
            }
            each_group([m, n, k], target, start, |columns, first| {
                let panels = panels_of(columns.clone());
                with_scratch([panels.len() * PANEL * pairs], |[packed]| {
                    // SAFETY: the caller has asked for the instructions.
                    unsafe { right.pack_panels_of_pairs(columns.clone(), pairs_of(packed)) };
                    let tiles = tiles();
                    for (panel, columns) in panels.enumerate() {
                        let packed = &packed[panel * PANEL * pairs..];
                        for pass in passes(pairs, first) {
                            let tiles = tiles.as_ref();
                            multiply_panel(&(0..m), rounded, packed, &columns, pass, tiles);
                        }
                    }
                });
            });
        });
    }
    // As pairs of bf16, which are as large as one f32.
    with_scratch([n.div_ceil(PANEL) * PANEL * pairs], |[packed]| {
        for_each_chunk(packed, (PANEL * pairs).max(1), |panel, packed| {
            right.pack_pairs(panel_columns(panel, n), pairs_of(packed));
        });
        let packed: &[f32] = packed;
        schedule([m, n, k], target, start, |rows, panels, first| {
            with_scratch([room(rows.len())], |[rounded]| {
                round(&rows, rounded);
                let tiles = tiles();
                for (depth, store) in passes(pairs, first) {
                    for panel in panels.clone() {
                        let columns = panel_columns(panel, n);
                        let panel = &packed[panel * pairs * PANEL..];
                        let pass = (depth.clone(), store);
                        multiply_panel(&rows, rounded, panel, &columns, pass, tiles.as_ref());
                    }
                }
            });
        });
    });
}

/// A target that several tasks write, each its own rows or columns.
#[derive(Clone, Copy)]
struct Shared(Target);

// SAFETY: the tasks of one product write disjoint parts.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// Rows of pairs that several tasks read.
#[cfg(target_arch = "x86_64")]
struct SharedPairs(thin_pairs::Pairs);

// SAFETY: the tasks of one product only read them.
#[cfg(target_arch = "x86_64")]
unsafe impl Sync for SharedPairs {}

impl Shared {
    fn part(self, row: usize, column: usize) -> Target {
        self.0.part(row, column)
    }
}

/// The columns of a panel of a matrix `n` columns wide.
fn panel_columns(panel: usize, n: usize) -> Range<usize> {
    panel * PANEL..n.min((panel + 1) * PANEL)
}

/// Calls `task(rows, panels, first store)` until all rows and panels are covered.
fn schedule(
    [m, n, k]: [usize; 3],
    target: Shared,
    start: impl Fn(Range<usize>, Target) -> Store + Sync,
    task: impl Fn(Range<usize>, Range<usize>, Store) + Sync,
) {
    let panels = n.div_ceil(PANEL);
    let blocks = m.div_ceil(ROWS);
    let rows = |block: usize| block * ROWS..m.min((block + 1) * ROWS);
    let whole = |block: usize| {
        let rows = rows(block);
        let first = start(rows.clone(), target.part(rows.start, 0));
        task(rows, 0..panels, first);
    };
    if m * n * k < PARALLEL {
        (0..blocks).for_each(whole);
    } else if blocks >= MANY {
        (0..blocks).into_par_iter().for_each(whole);
    } else {
        let first = start(0..m, target.part(0, 0));
        (0..blocks * panels).into_par_iter().for_each(|index| {
            let panel = index % panels;
            task(rows(index / panels), panel..panel + 1, first);
        });
    }
}

/// Calls `task(columns, first store)` for strips of columns, wide ones, but some for each thread.
fn each_strip(
    [m, n, k]: [usize; 3],
    target: Shared,
    start: impl Fn(Range<usize>, Target) -> Store,
    task: impl Fn(Range<usize>, Store) + Sync,
) {
    let first = start(0..m, target.part(0, 0));
    if n * k < PARALLEL_READ {
        for start in (0..n).step_by(thin::WIDTH) {
            task(start..n.min(start + thin::WIDTH), first);
        }
        return;
    }
    let width = n.div_ceil(2 * rayon::current_num_threads());
    let width = width.next_multiple_of(PANEL).clamp(2 * PANEL, thin::WIDTH);
    let strips = (0..n.div_ceil(width)).into_par_iter();
    strips.for_each(|strip| task(strip * width..n.min((strip + 1) * width), first));
}

/// Calls `task(columns, first store)` for groups of whole panels, some for each thread.
fn each_group(
    [m, n, k]: [usize; 3],
    target: Shared,
    start: impl Fn(Range<usize>, Target) -> Store,
    task: impl Fn(Range<usize>, Store) + Sync,
) {
    let first = start(0..m, target.part(0, 0));
    let is_small = m * n * k < PARALLEL;
    let shares = match is_small {
        true => 1,
        false => 2 * rayon::current_num_threads(),
    };
    let width = n.div_ceil(shares).next_multiple_of(PANEL);
    let width = width.clamp(PANEL, GROUP * PANEL);
    let groups = 0..n.div_ceil(width);
    let task = |group: usize| task(group * width..n.min((group + 1) * width), first);
    match is_small {
        true => groups.for_each(task),
        false => groups.into_par_iter().for_each(task),
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::Flex;
    use burn::backend::flex::FlexTensor;
    use burn::backend::ops::FloatTensorOps;
    use burn::tensor::DType;

    use super::*;
    use crate::cpu::buffer::{elements, tensor};

    /// Small integers: exact in bf16, and so are their sums of products in f32.
    fn integers(rows: usize, columns: usize) -> FlexTensor {
        let numbers = (0..rows * columns)
            .map(|i| ((i * 7919) % 17) as f32 - 8.0)
            .collect();
        tensor(numbers, [rows, columns])
    }

    fn naive(a: &[f32], b: &[f32], [m, n, k]: [usize; 3]) -> Vec<f32> {
        let number = |i: usize, j: usize| (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
        (0..m * n).map(|ij| number(ij / n, ij % n)).collect()
    }

    /// Rows of a sequence that is generated alone, among others, and in a prompt.
    #[test]
    fn a_row_has_the_same_bits_beside_any_number_of_others() {
        for [n, k] in [
            [100, 70],
            [192, 576],
            [576, 1600],
            [49, 31],
            [1, 1],
            [33, 64],
        ] {
            let numbers = |count: usize| -> Vec<f32> {
                let number = |i: usize| ((i * 7919) % 1009) as f32 / 777.0 - 0.6;
                (0..count).map(number).collect()
            };
            let rows = 150;
            let a = numbers(rows * k);
            let b = tensor(numbers(k * n), [k, n]);
            let half = Flex::float_cast(b.clone(), DType::BF16.into());
            for b in [b, half] {
                let turned = Flex::float_transpose(b.clone()).to_contiguous();
                for right in [Matrix::of(&b), Matrix::of(&turned).transposed()] {
                    let orders = match right.is_half() {
                        true => 2,
                        false => 1,
                    };
                    for order in 0..orders {
                        let product = |m: usize| {
                            let left = tensor(a[..m * k].to_vec(), [m, k]);
                            let start = |rows: Range<usize>, target: Target| {
                                for (row, column) in
                                    rows.flat_map(|row| (0..n).map(move |column| (row, column)))
                                {
                                    // SAFETY: the target holds the rows.
                                    unsafe {
                                        target.part(row % m, column).data.write(column as f32 / 7.0)
                                    };
                                }
                                Store::Add
                            };
                            let left = Matrix::of(&left);
                            #[cfg(target_arch = "x86_64")]
                            if order == 1 && bf16::is_available() {
                                let mut output = vec![f32::NAN; m * n];
                                let target = Shared(Target {
                                    data: output.as_mut_ptr(),
                                    row: n as isize,
                                });
                                pair_product(
                                    [m, n, k],
                                    left,
                                    right,
                                    target,
                                    |rows: Range<usize>, part| start(0..rows.len(), part),
                                    false,
                                );
                                return output;
                            }
                            product_onto(left, right, |rows, part| start(0..rows.len(), part))
                        };
                        let all = product(rows);
                        for m in [1, 2, 3, 4, 5, 16] {
                            assert!(
                                product(m) == all[..m * n],
                                "{m} x {n} x {k} {:?} {order}",
                                b.dtype()
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn products_of_integers_are_exact_in_both_formats_and_layouts() {
        for size in [
            [1, 1, 1],
            [3, 50, 7],
            [70, 49, 33],
            [9, 20, 1600],
            [600, 100, 65],
            [5, 3, 0],
        ] {
            let [m, n, k] = size;
            let (a, b) = (integers(m, k), integers(k, n));
            let expected = naive(elements(&a), elements(&b), size);
            let half = Flex::float_cast(b.clone(), DType::BF16.into());
            for b in [b, half] {
                let turned = Flex::float_transpose(b.clone()).to_contiguous();
                for right in [Matrix::of(&b), Matrix::of(&turned).transposed()] {
                    let left = Matrix::of(&a);
                    assert!(product(left, right) == expected, "{size:?} {:?}", b.dtype());
                    let mut widened = vec![f32::NAN; m * n];
                    let target = Shared(Target {
                        data: widened.as_mut_ptr(),
                        row: n as isize,
                    });
                    single_product(size, left, right, target, |_, _| Store::Replace);
                    assert!(widened == expected, "{size:?} {:?}, one by one", b.dtype());
                    #[cfg(target_arch = "x86_64")]
                    if right.is_half() && bf16::is_available() {
                        widened.fill(f32::NAN);
                        pair_product(size, left, right, target, |_, _| Store::Replace, false);
                        assert!(widened == expected, "{size:?}, without tiles");
                    }
                }
            }
        }
    }
}
