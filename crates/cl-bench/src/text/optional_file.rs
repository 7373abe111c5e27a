//! Files that a folder may lack.

use std::path::Path;

use serde::de::DeserializeOwned;
use treelora_core::{Error, read_json};

/// A JSON file, or the default where there is none.
pub(super) fn read_json_if_present<T: DeserializeOwned + Default>(path: &Path) -> Result<T, Error> {
    match path.exists() {
        true => read_json(path),
        false => Ok(T::default()),
    }
}
