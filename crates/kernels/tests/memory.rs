//! Freed memory serves the next buffer without a page fault.
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(clippy::unwrap_used)]

use std::hint::black_box;

const PAGE: usize = 4096;
/// 40 MiB: more than the 32 that glibc keeps by itself, less than the 64 that a thread's arena holds.
const PAGES: usize = 10 * 1024;

/// Of this process so far, from the tenth field of its status.
fn page_faults() -> usize {
    let status = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = status.rsplit_once(')').unwrap();
    fields.split_whitespace().nth(7).unwrap().parse().unwrap()
}

fn faults_of_a_buffer() -> usize {
    let before = page_faults();
    let mut buffer = Vec::<u8>::with_capacity(PAGES * PAGE);
    buffer.resize(PAGES * PAGE, 1);
    black_box(&buffer);
    drop(buffer);
    page_faults() - before
}

#[test]
fn a_second_buffer_takes_the_memory_of_the_first() {
    assert!(treelora_kernels::keep_freed_memory());
    faults_of_a_buffer();
    let again = faults_of_a_buffer();
    assert!(again < 100, "{again} page faults");
}
