//! One run folder, one process.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

use treelora_core::Error;

const LOCK: &str = "lock";

/// The right to write into a run folder, given up when dropped.
///
/// The system holds the lock, not the file: it ends with the process however that ends, so a lock
/// is never stale. The file names the owner.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

impl RunLock {
    /// Take the lock of `folder`.
    ///
    /// # Errors
    /// Naming the process that has it, or when the file cannot be written.
    pub(crate) fn take(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(LOCK);
        let io = |e| Error::io(&path, e);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                file.read_to_string(&mut owner).map_err(io)?;
                let problem = format!("process {} works on this run", owner.trim());
                return Err(Error::format(path, problem));
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let mut owned = Self { file };
        owned
            .write_owner(&std::process::id().to_string())
            .map_err(io)?;
        Ok(owned)
    }

    fn write_owner(&mut self, owner: &str) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(owner.as_bytes())
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // The lock ends with the file; its text is for readers only.
        let _ = self.write_owner("");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_of_the_first_and_a_dead_owner_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let first = RunLock::take(dir.path()).unwrap();
        let message = RunLock::take(dir.path()).unwrap_err().to_string();
        let owner = format!("process {}", std::process::id());
        assert!(
            message.contains(&owner) && message.contains("lock"),
            "{message}"
        );
        drop(first);
        // What a killed process leaves: its name in the file, and no lock.
        std::fs::write(dir.path().join(LOCK), "1").unwrap();
        drop(RunLock::take(dir.path()).unwrap());
        assert_eq!(std::fs::read_to_string(dir.path().join(LOCK)).unwrap(), "");
    }
}
