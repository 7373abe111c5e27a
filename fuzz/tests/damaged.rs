//! Valid files, damaged in thousands of ways: no panic, no unbounded allocation, errors that name
//! the file.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::alloc::System;

use cap::Cap;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use treelora_fuzz::FORMATS;

/// A parser that believes a damaged header's sizes asks for more than this, and the process ends.
const LIMIT: usize = 1 << 30;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, LIMIT);

/// Damaged files a format.
const DAMAGES: usize = 600;

#[test]
fn valid_files_are_read() {
    for format in FORMATS {
        for seed in (format.seeds)() {
            let outcome = (format.parse)(&seed);
            assert_eq!(outcome, Ok(()), "{}", format.name);
        }
    }
}

#[test]
fn damaged_files_are_errors_that_name_the_file() {
    for format in FORMATS {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let seeds = (format.seeds)();
        let mut refused = 0;
        for number in 0..DAMAGES {
            let bytes = damaged(&seeds[number % seeds.len()], &mut rng);
            refused += usize::from(format.check(&bytes).is_err());
        }
        eprintln!("{}: {refused} of {DAMAGES} refused", format.name);
        assert!(refused > 0, "{}: no damage was noticed", format.name);
    }
}

/// One to three damages of the kinds that disks, networks and people make.
fn damaged(seed: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.random_range(1..=3) {
        let at = rng.random_range(0..=bytes.len());
        // Headers are short and in front: half of the damage goes there.
        let at = match rng.random() {
            true => at.min(rng.random_range(0..=64)),
            false => at,
        };
        let end = bytes.len().min(at + rng.random_range(1..=16));
        match rng.random_range(0..7) {
            0 => bytes.truncate(at),
            1 => bytes[at..end]
                .iter_mut()
                .for_each(|byte| *byte = rng.random()),
            2 => bytes[at..end].fill(0xFF),
            3 => bytes[at..end].fill(0),
            4 => drop(bytes.drain(at..end)),
            5 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => {
                // What numbers and text are written with, so that text formats stay text.
                let written = b"0123456789-.eE\"[]{},:truefalsn/\\";
                bytes[at..end]
                    .iter_mut()
                    .for_each(|byte| *byte = written[rng.random_range(0..written.len())]);
            }
        }
    }
    bytes
}
