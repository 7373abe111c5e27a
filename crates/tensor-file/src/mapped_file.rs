//! A file as memory: the one place of this crate that needs `unsafe`.
#![allow(unsafe_code)]

use std::{fs::File, io, ops::Deref};

use memmap2::Mmap;

/// The bytes of a file, mapped, so that reading a part of it needs no copy of the rest.
#[derive(Debug)]
pub struct MappedFile(Mmap);

impl MappedFile {
    /// Map a file that is open for reading.
    ///
    /// # Errors
    /// When the system maps no such file.
    pub fn of(file: &File) -> io::Result<Self> {
        // SAFETY: the mapping is read-only and lives while one model is loaded. Its bytes are read as numbers of any
        // value, so another process that writes the file meanwhile makes wrong weights; one that truncates it ends this
        // process, as it ends any program that maps files.
        unsafe { Mmap::map(file) }.map(Self)
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
