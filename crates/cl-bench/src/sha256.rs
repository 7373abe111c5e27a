//! The hash that ties a result to its data and weights.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use treelora_core::Error;

/// SHA-256 of a file, or of all files below a folder in sorted order (names included), as
/// hexadecimal digits.
///
/// # Errors
/// When something cannot be read.
pub fn sha256(path: &Path) -> Result<String, Error> {
    let mut hasher = Sha256::new();
    match path.is_dir() {
        true => {
            for (name, file) in files_below(path)? {
                hasher.update(name.as_bytes());
                hash_file(&file, &mut hasher)?;
            }
        }
        false => hash_file(path, &mut hasher)?,
    }
    Ok(hexadecimal(hasher))
}

/// Every file below a folder by its path inside, joined by `/`; folder by folder in sorted order.
///
/// # Errors
/// When a folder cannot be read.
pub fn files_below(folder: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let io = |e| Error::io(folder, e);
    let entries = fs::read_dir(folder).map_err(io)?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(io)?;
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match path.is_dir() {
            true => {
                let below = files_below(&path)?.into_iter();
                files.extend(below.map(|(inside, file)| (format!("{name}/{inside}"), file)));
            }
            false => files.push((name.into_owned(), path)),
        }
    }
    Ok(files)
}

/// SHA-256 of one byte string.
pub fn sha256_of_bytes(bytes: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(bytes);
    hexadecimal(hasher)
}

/// SHA-256 of several byte strings, each preceded by its length in eight bytes, little-endian.
pub fn sha256_of_parts<'a>(parts: impl Iterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hexadecimal(hasher)
}

fn hexadecimal(hasher: Sha256) -> String {
    let digest = hasher.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash_file(path: &Path, hasher: &mut Sha256) -> Result<(), Error> {
    let io = |e| Error::io(path, e);
    let mut file = fs::File::open(path).map_err(io)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(io)? {
            0 => return Ok(()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_published_ones_and_depend_on_names() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        fs::write(&file, b"abc").unwrap();
        assert_eq!(
            sha256(&file).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let before = sha256(dir.path()).unwrap();
        fs::rename(&file, dir.path().join("b")).unwrap();
        assert_ne!(sha256(dir.path()).unwrap(), before);
    }
}
