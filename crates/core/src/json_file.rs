//! Values as JSON files, written atomically.

use std::path::Path;

use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, FileKind, write_atomically};

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

/// Read a value that [`write_json`] wrote.
///
/// # Errors
/// When the file is missing or damaged; the message names it.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    serde_json::from_slice(&bytes).map_err(|e| {
        let problem = match FileKind::of(&bytes) {
            // A pointer, a page: where JSON would break off says nothing.
            Some(kind) if kind != FileKind::Json => format!("not JSON but {kind}"),
            _ => e.to_string(),
        };
        Error::format(path, problem)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let cases = [
            (
                "version https://git-lfs.github.com/spec/v1\n",
                "git lfs pull",
            ),
            ("<html></html>", "web page"),
            ("", "an empty file"),
            ("{\"key\": }", "line 1"),
        ];
        for (text, part) in cases {
            std::fs::write(&path, text).unwrap();
            let error = read_json::<serde_json::Value>(&path)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("tokenizer.json") && error.contains(part),
                "{error}"
            );
        }
    }
}
