//! Values as JSON files, written atomically.

use std::path::Path;

use serde::{Serialize, de::DeserializeOwned};

use treelora_tensor_file::read_json_text;

use crate::{Error, write_atomically};

/// Write a value as indented JSON, atomically.
///
/// # Errors
/// When writing fails; an earlier file at `path` is then unchanged.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|e| Error::format(path, e.to_string()))?;
    bytes.push(b'\n');
    Ok(write_atomically(path, &bytes)?)
}

/// Read a JSON file, with or without a byte order mark.
///
/// # Errors
/// When the file is missing, damaged or not UTF-8; the message names it.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    Ok(read_json_text(path)?)
}
