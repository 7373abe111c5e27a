//! The right operand of a large product: a matrix in f32, or a frozen weight in bf16.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Range;

use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, bf16};

use super::matrix::{Left, Right};
#[cfg(target_arch = "x86_64")]
use super::pair_packing::pack_panels;
use super::transposition::transpose;

/// Columns of a packed panel: three vectors of 16, six of 8 or twelve of 4.
pub(super) const PANEL: usize = 48;

/// The depth of a panel of pairs is a multiple of this: a whole vector of one row of the left operand, or a tile.
pub(super) const PAIRS: usize = 16;

/// Pairs of rows in a panel of pairs.
pub(super) fn panel_pairs(rows: usize) -> usize {
    rows.div_ceil(2).next_multiple_of(PAIRS)
}

/// The columns of each panel of some columns.
pub(super) fn panels_of(columns: Range<usize>) -> impl ExactSizeIterator<Item = Range<usize>> {
    let panels = 0..columns.len().div_ceil(PANEL);
    panels.map(move |panel| {
        let first = columns.start + panel * PANEL;
        first..columns.end.min(first + PANEL)
    })
}

/// A matrix in bf16, the numbers of a row side by side.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Half {
    pub(super) data: *const u16,
    pub(super) row: isize,
}

/// The numbers of a [`Matrix`], strides in elements.
#[derive(Clone, Copy)]
enum Numbers {
    Single(Left),
    Half {
        data: *const bf16,
        row: isize,
        column: isize,
    },
}

/// A borrowed matrix.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    numbers: Numbers,
    pub(super) rows: usize,
    pub(super) columns: usize,
    tensor: PhantomData<&'a FlexTensor>,
}

// SAFETY: a `Matrix` is a shared borrow of a tensor, and tensors are `Sync`.
unsafe impl Sync for Matrix<'_> {}

impl<'a> Matrix<'a> {
    /// A tensor of two axes, any strides, in f32 or bf16.
    ///
    /// # Panics
    /// When the tensor has another number format.
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
        let start = x.layout().start_offset();
        let numbers = match x.dtype() {
            DType::BF16 => Numbers::Half {
                data: x.storage::<bf16>().as_ptr().wrapping_add(start),
                row,
                column,
            },
            _ => {
                let data = x.storage::<f32>().as_ptr().wrapping_add(start);
                Numbers::Single(Left { data, row, column })
            }
        };
        Self {
            numbers,
            rows,
            columns,
            tensor: PhantomData,
        }
    }

    /// The transpose, without a copy.
    pub(super) fn transposed(self) -> Self {
        let numbers = match self.numbers {
            Numbers::Single(left) => Numbers::Single(left.transposed()),
            Numbers::Half { data, row, column } => Numbers::Half {
                data,
                row: column,
                column: row,
            },
        };
        Self {
            numbers,
            rows: self.columns,
            columns: self.rows,
            ..self
        }
    }

    /// Whether the numbers are bf16.
    pub(super) fn is_half(self) -> bool {
        matches!(self.numbers, Numbers::Half { .. })
    }

    /// The matrix as a left operand.
    ///
    /// # Panics
    /// When the numbers are bf16.
    pub(super) fn left(self) -> Left {
        match self.numbers {
            Numbers::Single(left) => left,
            Numbers::Half { .. } => panic!("the left operand of a product is f32"),
        }
    }

    /// The columns from `first` on as they lie in memory, when the numbers are f32 and those of a row are side by side.
    pub(super) fn panel(self, first: usize) -> Option<Right> {
        match self.numbers {
            Numbers::Single(Left {
                data,
                row,
                column: 1,
            }) => Some(Right {
                data: data.wrapping_add(first),
                row,
            }),
            _ => None,
        }
    }

    /// The columns from `first` on as they lie in memory, and the distance of rows, when the numbers are bf16 and those of
    /// a row are side by side.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn half_rows(self, first: usize) -> Option<Half> {
        match self.numbers {
            Numbers::Half {
                data,
                row,
                column: 1,
            } => Some(Half {
                data: data.wrapping_add(first).cast(),
                row,
            }),
            _ => None,
        }
    }

    /// Copies the columns of one panel as f32, row by row, [`PANEL`] apart.
    ///
    /// # Panics
    /// When `target` does not hold `rows * PANEL` numbers.
    pub(super) fn pack(self, columns: Range<usize>, target: &mut [f32]) {
        assert_eq!(target.len(), self.rows * PANEL, "a panel of another size");
        // SAFETY: the matrix borrows its tensor, whose layout lies inside the storage, and `columns` are some of
        // its columns; the transpose of `columns` by `rows` has `rows` rows, `PANEL` apart.
        unsafe {
            match self.numbers {
                Numbers::Single(Left {
                    data,
                    row,
                    column: 1,
                }) => {
                    for (p, target) in target.chunks_exact_mut(PANEL).enumerate() {
                        let source = data.offset(p as isize * row).add(columns.start);
                        target
                            .as_mut_ptr()
                            .copy_from_nonoverlapping(source, columns.len());
                    }
                }
                Numbers::Single(Left { data, row, column }) => {
                    let data = data.wrapping_offset(columns.start as isize * column);
                    let strip = Left {
                        data,
                        row: column,
                        column: row,
                    };
                    transpose(strip, columns.len(), self.rows, target.as_mut_ptr(), PANEL);
                }
                Numbers::Half { .. } => {
                    for (p, target) in target.chunks_exact_mut(PANEL).enumerate() {
                        for (target, column) in target.iter_mut().zip(columns.clone()) {
                            *target = f32::from_bits(u32::from(self.half_bits(p, column)) << 16);
                        }
                    }
                }
            }
        }
    }

    /// Copies the columns of several panels, panel after panel, each as [`pack`](Self::pack) does. Rows are read from end to
    /// end where they lie so, as the processor fetches ahead.
    ///
    /// # Panics
    /// When `target` does not hold `rows * PANEL` numbers for each panel.
    pub(super) fn pack_panels(self, columns: Range<usize>, target: &mut [f32]) {
        let size = (self.rows * PANEL).max(1);
        let panels = panels_of(columns.clone());
        assert_eq!(
            target.len(),
            panels.len() * self.rows * PANEL,
            "panels of another size"
        );
        let Some(right) = self.panel(columns.start) else {
            let parts = target.chunks_exact_mut(size);
            return panels
                .zip(parts)
                .for_each(|(columns, part)| self.pack(columns, part));
        };
        for row in 0..self.rows {
            for (panel, columns) in panels_of(columns.clone()).enumerate() {
                let to = &mut target[panel * size + row * PANEL..];
                let from = right.data.wrapping_offset(row as isize * right.row);
                // SAFETY: the matrix borrows its tensor, whose layout lies inside the storage, and the columns are some
                // of its columns; the target is a panel's row.
                unsafe {
                    let from = from.wrapping_add(panel * PANEL);
                    to.as_mut_ptr()
                        .copy_from_nonoverlapping(from, columns.len());
                }
            }
        }
    }

    /// As [`pack_panels`](Self::pack_panels), of pairs as [`pack_pairs`](Self::pack_pairs) copies them.
    ///
    /// # Safety
    /// The processor has AVX-512 BF16.
    ///
    /// # Panics
    /// When `target` does not hold [`panel_pairs`] times `PANEL` pairs for each panel, or the numbers are f32.
    #[cfg(target_arch = "x86_64")]
    pub(super) unsafe fn pack_panels_of_pairs(self, columns: Range<usize>, target: &mut [u32]) {
        let pairs = panel_pairs(self.rows);
        let size = (pairs * PANEL).max(1);
        let panels = panels_of(columns.clone());
        assert_eq!(
            target.len(),
            panels.len() * pairs * PANEL,
            "panels of another size"
        );
        match self.half_rows(columns.start) {
            // SAFETY: the matrix borrows its tensor, whose layout lies inside the storage; the length of the target
            // was checked, and the instructions are the caller's promise.
            Some(half) => unsafe {
                let size = [self.rows, columns.len()];
                pack_panels::<PANEL>(half.data, half.row, size, pairs, target.as_mut_ptr());
            },
            None => {
                for (columns, part) in panels.zip(target.chunks_exact_mut(size)) {
                    self.pack_pairs(columns, part);
                }
            }
        }
    }

    /// Copies the columns of one panel as pairs of bf16, two rows side by side, pairs of rows [`PANEL`] apart; an
    /// odd last row is paired with zeros. Columns and pairs of rows beyond the matrix are zeros.
    ///
    /// # Panics
    /// When `target` does not hold [`panel_pairs`] times `PANEL` pairs, or the numbers are f32.
    pub(super) fn pack_pairs(self, columns: Range<usize>, target: &mut [u32]) {
        const BLOCK: usize = 16;
        assert_eq!(
            target.len(),
            panel_pairs(self.rows) * PANEL,
            "a panel of another size"
        );
        let Numbers::Half { data, row, column } = self.numbers else {
            panic!("pairs are packed from bf16");
        };
        let whole = self.rows / 2;
        // SAFETY: the rows and columns read lie inside the matrix, which borrows its tensor.
        unsafe {
            if column == 1 {
                for (p, target) in target.chunks_exact_mut(PANEL).take(whole).enumerate() {
                    let upper = data
                        .offset(2 * p as isize * row)
                        .add(columns.start)
                        .cast::<u16>();
                    let lower = data
                        .offset((2 * p + 1) as isize * row)
                        .add(columns.start)
                        .cast::<u16>();
                    let upper = core::slice::from_raw_parts(upper, columns.len());
                    let lower = core::slice::from_raw_parts(lower, columns.len());
                    for ((target, &upper), &lower) in target.iter_mut().zip(upper).zip(lower) {
                        *target = u32::from(upper) | u32::from(lower) << 16;
                    }
                }
            } else if row == 1 && column % 2 == 0 {
                // The numbers of a column lie side by side, two of them as one pair.
                let data = data.offset(columns.start as isize * column);
                let strip = Left {
                    data: data.cast(),
                    row: column / 2,
                    column: 1,
                };
                let target = target.as_mut_ptr().cast();
                transpose(strip, columns.len(), whole, target, PANEL);
            } else {
                for start in (0..whole).step_by(BLOCK) {
                    for (j, c) in columns.clone().enumerate() {
                        for p in start..whole.min(start + BLOCK) {
                            target[p * PANEL + j] = u32::from(self.half_bits(2 * p, c))
                                | u32::from(self.half_bits(2 * p + 1, c)) << 16;
                        }
                    }
                }
            }
            if self.rows % 2 == 1 {
                for (j, c) in columns.clone().enumerate() {
                    target[whole * PANEL + j] = u32::from(self.half_bits(self.rows - 1, c));
                }
            }
        }
        for target in target.chunks_exact_mut(PANEL) {
            target[columns.len()..].fill(0);
        }
        target[self.rows.div_ceil(2) * PANEL..].fill(0);
    }

    /// The bits of one bf16.
    ///
    /// # Safety
    /// The row and column lie inside the matrix.
    #[inline(always)]
    unsafe fn half_bits(self, r: usize, c: usize) -> u16 {
        match self.numbers {
            // SAFETY: the caller's promise.
            Numbers::Half { data, row, column } => unsafe {
                (*data.offset(r as isize * row + c as isize * column)).to_bits()
            },
            Numbers::Single(_) => unreachable!("only called on bf16"),
        }
    }
}
