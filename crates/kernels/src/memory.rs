//! What the process does with freed memory.
#![cfg_attr(all(target_os = "linux", target_env = "gnu"), allow(unsafe_code))]

/// Keeps the memory of freed tensors for the next ones; for a program that trains on the CPU to call once, at its start.
///
/// glibc returns large buffers to the system as they are freed, so that every training step faults its activations
/// in again, page by page: a seventh of a step's time. From this call on the process holds what it once needed; of
/// threads other than the main one, buffers of up to 64 MiB, since their arenas are no larger.
///
/// Returns whether the allocator follows; that of glibc does, others are left as they are.
pub fn keep_freed_memory() -> bool {
    keep()
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keep() -> bool {
    /// Buffers from this size on, in bytes, are still returned: weights rather than activations.
    const LARGE: i32 = 1 << 30;
    // SAFETY: both calls only set a number of the allocator, under its lock.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) == 1
            && libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX) == 1
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep() -> bool {
    false
}
