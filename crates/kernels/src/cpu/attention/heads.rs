//! Four-dimensional tensors as one matrix per batch entry and head.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use burn::backend::flex::FlexTensor;

use super::super::matrix::{Left, Target};

/// `[batch, heads, positions, dim]`, any layout in which the numbers of one position lie side by side.
///
/// A projection split into heads is a view with swapped axes; it is read in place.
pub(super) struct Heads {
    tensor: FlexTensor,
}

impl Heads {
    /// The heads of an f32 tensor; copied only when the numbers of one position are not side by side.
    pub(super) fn new(tensor: &FlexTensor) -> Self {
        let side_by_side = tensor.layout().strides()[3] == 1;
        let tensor = if side_by_side {
            tensor.clone()
        } else {
            tensor.to_contiguous()
        };
        Self { tensor }
    }

    /// One head of one batch entry, `[positions, dim]`.
    pub(super) fn head(&self, batch: usize, head: usize) -> Left {
        let layout = self.tensor.layout();
        let strides = layout.strides();
        let offset = layout.start_offset() as isize
            + batch as isize * strides[0]
            + head as isize * strides[1];
        let data = self
            .tensor
            .storage::<f32>()
            .as_ptr()
            .wrapping_offset(offset);
        Left {
            data,
            row: strides[2],
            column: 1,
        }
    }
}

/// A new tensor whose matrices are written by several tasks: stored as `[batch, positions, heads, dim]`.
#[derive(Clone, Copy)]
pub(super) struct HeadsMut {
    data: *mut f32,
    positions: usize,
    heads: usize,
    dim: usize,
}

// SAFETY: the pointer is only used through `head`, whose caller writes the rows of heads no other task writes.
unsafe impl Send for HeadsMut {}
// SAFETY: as above.
unsafe impl Sync for HeadsMut {}

impl HeadsMut {
    /// The matrices of a buffer of `batch * positions * heads * dim` numbers.
    ///
    /// # Panics
    /// When the buffer has another size.
    pub(super) fn new(
        buffer: &mut [MaybeUninit<f32>],
        [batch, heads, positions, dim]: [usize; 4],
    ) -> Self {
        assert_eq!(
            buffer.len(),
            batch * heads * positions * dim,
            "a buffer of another size"
        );
        Self {
            data: buffer.as_mut_ptr().cast(),
            positions,
            heads,
            dim,
        }
    }

    /// One head of one batch entry, from position `start` on.
    pub(super) fn head(self, batch: usize, head: usize, start: usize) -> Target {
        let offset = ((batch * self.positions + start) * self.heads + head) * self.dim;
        Target {
            data: self.data.wrapping_add(offset),
            row: (self.heads * self.dim) as isize,
        }
    }
}
