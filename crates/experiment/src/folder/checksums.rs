//! Checksums of a checkpoint's files.

use std::{collections::BTreeMap, path::Path};

use treelora_cl_bench::{files_below, sha256, sha256_of_bytes};
use treelora_core::{Error, read_json, write_json};

const CHECKSUMS: &str = "checksums.json";

/// SHA-256 by path inside the folder.
type Checksums = BTreeMap<String, String>;

/// Note the checksums of all files below `folder` and of `last`, a file that will be written after
/// them.
///
/// # Errors
/// When something cannot be read or written.
pub(crate) fn write(folder: &Path, (last, bytes): (&str, &[u8])) -> Result<(), Error> {
    let mut checksums = of(folder)?;
    checksums.insert(last.to_owned(), sha256_of_bytes(bytes));
    write_json(&folder.join(CHECKSUMS), &checksums)
}

/// Compare the files below `folder` with their checksums.
///
/// # Errors
/// Naming the first file that is missing, added or changed, with both checksums.
pub(crate) fn verify(folder: &Path) -> Result<(), Error> {
    let (then, now): (Checksums, _) = (read_json(&folder.join(CHECKSUMS))?, of(folder)?);
    for name in then.keys().chain(now.keys()) {
        let shown = |side: &Checksums| side.get(name).cloned().unwrap_or_else(|| "no file".into());
        let (then, now) = (shown(&then), shown(&now));
        if then != now {
            let problem = format!("damaged: SHA-256 {now}, written as {then}");
            return Err(Error::format(folder.join(name), problem));
        }
    }
    Ok(())
}

/// Checksums of all files below `folder` but the list itself.
fn of(folder: &Path) -> Result<Checksums, Error> {
    files_below(folder)?
        .into_iter()
        .filter(|(name, _)| name != CHECKSUMS)
        .map(|(name, path)| Ok((name, sha256(&path)?)))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_kind_of_damage_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        fs::create_dir(folder.join("method")).unwrap();
        fs::write(folder.join("model"), b"weights").unwrap();
        fs::write(folder.join("method/tree"), b"tree").unwrap();
        write(folder, ("result", b"last")).unwrap();
        let named = |name: &str| {
            let message = verify(folder).unwrap_err().to_string();
            assert!(
                message.contains(name) && message.contains("SHA-256"),
                "{message}"
            );
        };
        named("result");
        fs::write(folder.join("result"), b"last").unwrap();
        verify(folder).unwrap();
        fs::write(folder.join("method/tree"), b"trea").unwrap();
        named("method/tree");
        fs::remove_file(folder.join("method/tree")).unwrap();
        named("method/tree");
        fs::write(folder.join("method/tree"), b"tree").unwrap();
        fs::write(folder.join("more"), b"").unwrap();
        named("more");
    }
}
