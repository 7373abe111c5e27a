//! Reading and writing the storage of CPU tensors.
#![allow(unsafe_code)]

use std::mem::{ManuallyDrop, MaybeUninit};

use burn::backend::flex::FlexTensor;
use burn::tensor::{Shape, TensorData};

use super::simd::{CHUNK, for_each_chunk, vectorised};

/// A new f32 buffer that a kernel fills completely before it becomes a tensor.
///
/// Fresh memory is neither zeroed nor read, which saves one pass over it.
pub(super) struct Unwritten(Vec<MaybeUninit<f32>>);

impl Unwritten {
    /// Memory for `length` numbers.
    pub(super) fn new(length: usize) -> Self {
        let mut data: Vec<MaybeUninit<f32>> = Vec::with_capacity(length);
        // SAFETY: the capacity was just reserved, and `MaybeUninit` needs no initialisation.
        unsafe { data.set_len(length) };
        Self(data)
    }

    /// The memory to write to.
    pub(super) fn slots(&mut self) -> &mut [MaybeUninit<f32>] {
        &mut self.0
    }

    /// The filled buffer.
    ///
    /// # Safety
    /// Every slot has been written.
    pub(super) unsafe fn assume_written(self) -> Vec<f32> {
        let mut data = ManuallyDrop::new(self.0);
        // SAFETY: `MaybeUninit<f32>` and `f32` have the same layout, every element is initialised (the caller's
        // promise), and the original vector is not dropped.
        unsafe { Vec::from_raw_parts(data.as_mut_ptr().cast::<f32>(), data.len(), data.capacity()) }
    }
}

/// A contiguous tensor around `data`.
pub(super) fn tensor(data: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(data, shape))
}

/// `x` itself when its elements lie in row-major order, else a copy that does.
pub(super) fn contiguous(x: &FlexTensor) -> FlexTensor {
    if x.is_contiguous() {
        x.clone()
    } else {
        x.to_contiguous()
    }
}

/// The elements of a contiguous f32 tensor.
///
/// # Panics
/// When the tensor is not contiguous or not f32.
pub(super) fn elements(x: &FlexTensor) -> &[f32] {
    x.as_slice::<f32>().expect("a contiguous f32 tensor")
}

/// `x` with storage of its own that may be overwritten: `x` itself when nothing else refers to it.
pub(super) fn owned(x: FlexTensor) -> FlexTensor {
    let dense = x.is_contiguous()
        && x.layout().start_offset() == 0
        && x.bytes().len() == size_of::<f32>() * x.layout().num_elements();
    if dense && x.is_unique() {
        return x;
    }
    let shape = x.layout().shape().clone();
    let source = contiguous(&x);
    let data = map_elements(&source, |x| x);
    tensor(data, shape)
}

/// The elements of a tensor that [`owned`] returned.
///
/// # Panics
/// When something else refers to the storage.
pub(super) fn elements_mut(x: &mut FlexTensor) -> &mut [f32] {
    x.try_storage_mut::<f32>()
        .expect("a tensor with storage of its own")
}

/// `f` of every element, in a new buffer.
pub(super) fn map_elements(x: &FlexTensor, f: impl Fn(f32) -> f32 + Copy + Sync) -> Vec<f32> {
    let x = elements(x);
    let mut output = Unwritten::new(x.len());
    for_each_chunk(output.slots(), CHUNK, |i, slots| {
        let x = &x[i * CHUNK..i * CHUNK + slots.len()];
        vectorised(
            #[inline(always)]
            || {
                for (slot, &x) in slots.iter_mut().zip(x) {
                    slot.write(f(x));
                }
            },
        );
    });
    // SAFETY: the chunks cover the buffer and each writes all its slots.
    unsafe { output.assume_written() }
}

/// `f` of every pair of elements, in a new buffer.
pub(super) fn map_pairs(
    x: &FlexTensor,
    y: &FlexTensor,
    f: impl Fn(f32, f32) -> f32 + Copy + Sync,
) -> Vec<f32> {
    let (x, y) = (elements(x), elements(y));
    assert_eq!(x.len(), y.len(), "the operands differ in size");
    let mut output = Unwritten::new(x.len());
    for_each_chunk(output.slots(), CHUNK, |i, slots| {
        let range = i * CHUNK..i * CHUNK + slots.len();
        let (x, y) = (&x[range.clone()], &y[range]);
        vectorised(
            #[inline(always)]
            || {
                for ((slot, &x), &y) in slots.iter_mut().zip(x).zip(y) {
                    slot.write(f(x, y));
                }
            },
        );
    });
    // SAFETY: the chunks cover the buffer and each writes all its slots.
    unsafe { output.assume_written() }
}

/// `target = f(target, x)` for every element; `target` is one that [`owned`] returned.
pub(super) fn update_elements(
    target: &mut FlexTensor,
    x: &FlexTensor,
    f: impl Fn(f32, f32) -> f32 + Copy + Sync,
) {
    let x = elements(x);
    let target = elements_mut(target);
    assert_eq!(x.len(), target.len(), "the operands differ in size");
    for_each_chunk(target, CHUNK, |i, target| {
        let x = &x[i * CHUNK..i * CHUNK + target.len()];
        vectorised(
            #[inline(always)]
            || {
                for (target, &x) in target.iter_mut().zip(x) {
                    *target = f(*target, x);
                }
            },
        );
    });
}
