//! Large matrix products, on all cores.
//!
//! The right operand is packed once into panels of [`PANEL`] columns; then blocks of rows are multiplied
//! independently. Each number of the product is summed in an order that depends on the depth alone.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Range;

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::buffer::Unwritten;
use super::matrix::{Left, Right, Store, Target, multiply, transpose};
use super::scratch::with_scratch;
use super::simd::for_each_chunk;

/// Columns of a packed panel: three vectors of 16, six of 8 or twelve of 4.
const PANEL: usize = 48;
/// Depth of one pass: a panel of it stays in the second-level cache.
const DEPTH: usize = 768;
/// Rows of one task.
const ROWS: usize = 64;
/// Blocks of rows from which on the rows alone keep all cores busy.
const MANY: usize = 8;
/// Multiplications below which one thread is faster than several.
const PARALLEL: usize = 128 * 128 * 64;

/// A borrowed f32 matrix with strides in elements.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    data: Left,
    pub(super) rows: usize,
    pub(super) columns: usize,
    tensor: PhantomData<&'a FlexTensor>,
}

// SAFETY: a `Matrix` is a shared borrow of a tensor, and tensors are `Sync`.
unsafe impl Sync for Matrix<'_> {}

impl<'a> Matrix<'a> {
    /// A tensor of two axes, any strides.
    pub(super) fn of(x: &'a FlexTensor) -> Self {
        let layout = x.layout();
        let [rows, columns] = layout.shape().dims();
        Self::new(x, rows, columns, [layout.strides()[0], layout.strides()[1]])
    }

    /// A contiguous tensor of any number of axes as the matrix of its last axis.
    pub(super) fn rows_of(x: &'a FlexTensor) -> Self {
        debug_assert!(x.is_contiguous());
        let shape = x.layout().shape();
        let (outer, last) = shape.split_at(shape.num_dims() - 1);
        Self::new(x, outer.iter().product(), last[0], [last[0] as isize, 1])
    }

    fn new(x: &'a FlexTensor, rows: usize, columns: usize, [row, column]: [isize; 2]) -> Self {
        let data = x
            .storage::<f32>()
            .as_ptr()
            .wrapping_add(x.layout().start_offset());
        Self {
            data: Left { data, row, column },
            rows,
            columns,
            tensor: PhantomData,
        }
    }

    /// The transpose, without a copy.
    pub(super) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            data: self.data.transposed(),
            ..self
        }
    }

    /// Copies the columns of one panel, row by row, `PANEL` apart.
    ///
    /// # Safety
    /// `target` holds `rows * PANEL` numbers.
    unsafe fn pack(self, columns: Range<usize>, target: &mut [f32]) {
        let Left { data, row, column } = self.data;
        let from = Left {
            data: data.wrapping_offset(columns.start as isize * column),
            row,
            column,
        };
        if column == 1 {
            for (p, target) in target.chunks_exact_mut(PANEL).enumerate() {
                // SAFETY: the matrix borrows its tensor, whose layout lies inside the storage.
                let source = unsafe {
                    core::slice::from_raw_parts(from.data.offset(p as isize * row), columns.len())
                };
                target[..columns.len()].copy_from_slice(source);
            }
        } else {
            // SAFETY: as above; the transpose of `columns` by `rows` has `rows` rows, `PANEL` apart.
            unsafe {
                transpose(
                    from.transposed(),
                    columns.len(),
                    self.rows,
                    target.as_mut_ptr(),
                    PANEL,
                )
            };
        }
    }
}

/// `left right` in a new buffer.
pub(super) fn product(left: Matrix<'_>, right: Matrix<'_>) -> Vec<f32> {
    product_onto(left, right, |_, _| Store::Replace)
}

/// A target that several tasks write, each its own rows or columns.
#[derive(Clone, Copy)]
struct Shared(Target);

// SAFETY: the tasks of one product write disjoint parts.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

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
    let (m, n, k) = (left.rows, right.columns, left.columns);
    let mut output = Unwritten::new(m * n);
    let target = Shared(Target {
        data: output.slots().as_mut_ptr().cast(),
        row: n as isize,
    });
    let panels = n.div_ceil(PANEL);
    let columns = |panel: usize| panel * PANEL..n.min((panel + 1) * PANEL);
    with_scratch([panels * PANEL * k], |[packed]| {
        for_each_chunk(packed, (PANEL * k).max(1), |panel, target| {
            // SAFETY: the panel has room for `k` rows.
            unsafe { right.pack(columns(panel), target) };
        });
        let packed: &[f32] = packed;
        // All panels of one pass over the depth before the next pass: the rows of `left` are then in cache.
        let task = |rows: Range<usize>, panels: Range<usize>, first: Store| {
            // Whole, so that the closure captures the types that may be shared, not the pointers inside.
            let (left, target) = (left, target);
            for depth in (0..k).step_by(DEPTH) {
                let store = if depth == 0 { first } else { Store::Add };
                let deep = DEPTH.min(k - depth);
                for panel in panels.clone() {
                    let columns = columns(panel);
                    let Left { data, row, column } = left.data.from_row(rows.start);
                    let left = Left {
                        data: data.wrapping_offset(depth as isize * column),
                        row,
                        column,
                    };
                    let right = Right {
                        data: packed[(panel * k + depth) * PANEL..].as_ptr(),
                        row: PANEL as isize,
                    };
                    let target = target.0.part(rows.start, columns.start);
                    // SAFETY: the operands borrow their memory, the target part lies inside the output and is
                    // written by this task alone; it is initialised when the store adds.
                    unsafe {
                        multiply(
                            [rows.len(), columns.len(), deep],
                            left,
                            right,
                            target,
                            store,
                        )
                    };
                }
            }
            if k == 0 && first == Store::Replace {
                // SAFETY: as above; a product of no depth writes zeros.
                let target = target.0.part(rows.start, 0);
                unsafe {
                    multiply(
                        [rows.len(), n, 0],
                        left.data,
                        Right {
                            data: packed.as_ptr(),
                            row: 0,
                        },
                        target,
                        first,
                    )
                };
            }
        };
        let blocks = m.div_ceil(ROWS);
        let rows = |block: usize| block * ROWS..m.min((block + 1) * ROWS);
        let begin = |rows: Range<usize>| {
            let target = target;
            start(rows.clone(), target.0.part(rows.start, 0))
        };
        if m * n * k < PARALLEL {
            (0..blocks).for_each(|block| task(rows(block), 0..panels, begin(rows(block))));
        } else if blocks >= MANY {
            (0..blocks)
                .into_par_iter()
                .for_each(|block| task(rows(block), 0..panels, begin(rows(block))));
        } else {
            let first = begin(0..m);
            (0..blocks * panels).into_par_iter().for_each(|index| {
                let panel = index % panels;
                task(rows(index / panels), panel..panel + 1, first);
            });
        }
    });
    // SAFETY: the tasks cover all rows and columns, and the first pass writes the whole target.
    unsafe { output.assume_written() }
}
