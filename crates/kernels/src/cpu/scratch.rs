//! Memory that a thread keeps between tasks.

use std::cell::Cell;

thread_local! {
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Calls `f` with buffers of the given lengths, whose contents are whatever an earlier task left.
pub(super) fn with_scratch<const N: usize, R>(
    lengths: [usize; N],
    f: impl FnOnce([&mut [f32]; N]) -> R,
) -> R {
    // Taken, not borrowed: a task that another task of this thread waits for finds an empty vector, not a panic.
    let mut memory = SCRATCH.take();
    let total = lengths.iter().sum();
    if memory.len() < total {
        memory.resize(total, 0.0);
    }
    let mut rest = memory.as_mut_slice();
    let buffers = lengths.map(|length| {
        let (buffer, tail) = core::mem::take(&mut rest).split_at_mut(length);
        rest = tail;
        buffer
    });
    let result = f(buffers);
    SCRATCH.set(memory);
    result
}
