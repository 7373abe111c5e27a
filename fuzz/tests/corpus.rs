//! What the coverage-guided search kept, read again: no panic, errors that name the file.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, fs, path::PathBuf};

use treelora_fuzz::FORMATS;

#[test]
fn every_kept_input_is_read_or_refused_by_name() {
    for format in FORMATS {
        let (mut accepted, mut refused) = (0, 0);
        for entry in fs::read_dir(corpus().join(format.name)).unwrap() {
            match format.check(&fs::read(entry.unwrap().path()).unwrap()) {
                Ok(()) => accepted += 1,
                Err(_) => refused += 1,
            }
        }
        // A search that found one side only did not get past the first check.
        assert!(accepted > 0 && refused > 0, "{}", format.name);
    }
}

#[test]
fn every_folder_belongs_to_a_format() {
    let entries = fs::read_dir(corpus()).unwrap();
    let folders: BTreeSet<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let names: BTreeSet<_> = FORMATS.map(|format| format.name.to_owned()).into();
    assert_eq!(folders, names);
}

fn corpus() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/corpus").into()
}
