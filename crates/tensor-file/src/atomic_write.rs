//! Files that appear whole or not at all.

use std::{fs, io::Write, path::Path};

use crate::TensorFileError;

/// Write `bytes` to `path` so that a reader finds the old file or the new one, never a part:
/// temporary file beside it, fsync, rename, fsync of the folder.
///
/// # Errors
/// When writing fails; an earlier file at `path` is then unchanged.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), TensorFileError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let write = || -> std::io::Result<()> {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        rename_durably(&temporary, path)
    };
    write().map_err(|source| {
        let _ = fs::remove_file(&temporary);
        TensorFileError::io(path, source)
    })
}

/// Rename a file or folder so that the new name outlives a loss of power.
///
/// # Errors
/// When the rename fails.
pub fn rename_durably(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::rename(from, to)?;
    if let Some(folder) = to.parent().filter(|p| !p.as_os_str().is_empty()) {
        // Directories cannot be opened for syncing on every platform; the rename stands.
        if let Ok(folder) = fs::File::open(folder) {
            let _ = folder.sync_all();
        }
    }
    Ok(())
}
