//! Reading files of others: no more than a bound, and JSON of bounded depth.

use std::{fs::File, io::Read, path::Path};

use serde::de::DeserializeOwned;
use treelora_core::Error;

/// Largest file that is read, in bytes. TRACE's largest is 1.6 MB, tokenizers reach 40 MB.
pub const MAX_BYTES: u64 = 256 << 20;

/// A whole file.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::io(path, e))?;
    match bytes.len() as u64 > MAX_BYTES {
        true => Err(Error::format(
            path,
            format!("more than {MAX_BYTES} bytes, the most that is read"),
        )),
        false => Ok(bytes),
    }
}

/// A JSON file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    serde_json::from_slice(&read_bytes(path)?).map_err(|e| Error::format(path, e.to_string()))
}

/// A JSON file, or the default where there is none.
pub(super) fn read_json_if_present<T: DeserializeOwned + Default>(path: &Path) -> Result<T, Error> {
    match path.exists() {
        true => read_json(path),
        false => Ok(T::default()),
    }
}
