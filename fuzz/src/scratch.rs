//! Files of the workspace, and a folder to put bytes into.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

/// A file of the workspace.
pub(crate) fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// # Panics
/// When the workspace lacks the file.
pub(crate) fn read(path: &str) -> Vec<u8> {
    let path = workspace(path);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A folder with these files, gone when dropped.
///
/// # Panics
/// When it cannot be written.
pub(crate) fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, bytes) in files {
        let path = folder.path().join(name);
        let parent = path.parent().expect("below the folder");
        fs::create_dir_all(parent).expect("a temporary folder");
        fs::write(path, bytes).expect("a temporary file");
    }
    folder
}
