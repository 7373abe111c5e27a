//! What the process does with freed memory.
#![cfg_attr(all(target_os = "linux", target_env = "gnu"), allow(unsafe_code))]

/// Keeps the memory of freed tensors for the next ones; for a program that trains on the CPU to call once, at its start.
///
/// glibc returns large buffers to the system as they are freed, so that every training step faults its activations
/// in again, page by page: a seventh of a step's time. From this call on the process holds what it once needed; of
/// threads other than the main one, buffers of up to 64 MiB, since their arenas are no larger. For the first gigabytes
/// of the heap it asks the kernel for huge pages, so that walking over activations misses fewer translations.
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
    let keeps = unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) == 1
            && libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX) == 1
    };
    if keeps {
        ask_for_huge_pages();
    }
    keeps
}

/// Advises the kernel on heap that is not in use yet; where it refuses, pages stay small.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn ask_for_huge_pages() {
    const HUGE_PAGE: usize = 2 << 20;
    /// Less than what is mapped apart from the heap.
    const BLOCK: usize = (1 << 30) - HUGE_PAGE;
    // SAFETY: the advice lies inside a block that nothing else refers to until it is freed; it changes no contents.
    let blocks = [(); 4].map(|()| unsafe {
        let block = libc::malloc(BLOCK);
        if !block.is_null() {
            let start = block.byte_add(block.align_offset(HUGE_PAGE));
            libc::madvise(start, BLOCK - HUGE_PAGE, libc::MADV_HUGEPAGE);
        }
        block
    });
    for block in blocks {
        // SAFETY: each was allocated above, or is null.
        unsafe { libc::free(block) };
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep() -> bool {
    false
}
