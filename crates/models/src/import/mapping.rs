//! A file as memory: the one place of this crate that needs `unsafe`.
#![allow(unsafe_code)]

use std::{fs::File, io};

use memmap2::Mmap;

/// Map a file, so that reading a tensor out of it needs no second copy of the model.
pub(super) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the mapping is read-only and lives while one model is loaded. Its bytes are read as numbers of any
    // value, so another process that writes the file meanwhile makes wrong weights; one that truncates it ends this
    // process, as it ends any program that maps files.
    unsafe { Mmap::map(file) }
}
