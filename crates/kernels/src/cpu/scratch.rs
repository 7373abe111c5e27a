//! Memory that a thread keeps between tasks.
#![allow(unsafe_code)]

use std::cell::Cell;

/// Numbers in a cache line, where buffers begin: tiles and wide vectors that straddle two are read at half the speed.
const LINE: usize = 16;

thread_local! {
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// A buffer as pairs of bf16, each as large as one f32.
#[cfg(target_arch = "x86_64")]
pub(super) fn pairs(buffer: &mut [f32]) -> &mut [u32] {
    // SAFETY: f32 and u32 have the same size and alignment, and every bit pattern is valid for both.
    unsafe { core::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast(), buffer.len()) }
}

/// Calls `f` with buffers of the given lengths, whose contents are whatever an earlier task left.
pub(super) fn with_scratch<const N: usize, R>(
    lengths: [usize; N],
    f: impl FnOnce([&mut [f32]; N]) -> R,
) -> R {
    // Taken, not borrowed: a task that another task of this thread waits for finds an empty vector, not a panic.
    let mut memory = SCRATCH.take();
    let total: usize = lengths
        .iter()
        .map(|length| length.next_multiple_of(LINE))
        .sum();
    if memory.len() < total + LINE {
        memory.resize(total + LINE, 0.0);
    }
    let start = memory.as_ptr().align_offset(LINE * size_of::<f32>());
    let mut rest = &mut memory[start..];
    let buffers = lengths.map(|length| {
        let (buffer, tail) = core::mem::take(&mut rest).split_at_mut(length.next_multiple_of(LINE));
        rest = tail;
        &mut buffer[..length]
    });
    let result = f(buffers);
    SCRATCH.set(memory);
    result
}
