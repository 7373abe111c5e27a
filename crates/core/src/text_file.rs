//! Text files of others.

use std::path::Path;

use crate::Error;

/// A whole text file in UTF-8; a byte order mark in front is dropped.
///
/// # Errors
/// When the file is missing, too long or in another encoding, which is named with the file.
pub fn read_text(path: &Path) -> Result<String, Error> {
    Ok(treelora_tensor_file::read_text(path)?)
}
