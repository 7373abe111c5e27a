//! Where a result comes from: machine and commit.

use std::fs;

/// Processor, cores and system, as far as the system tells.
pub fn machine() -> String {
    let processor = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{processor}, {cores} cores, {}", std::env::consts::OS)
}

/// Commit this program was built from, with `-dirty` when tracked files differed from it; `None`
/// when it was built outside a repository (a release from a registry).
pub fn commit() -> Option<String> {
    let commit = git_version::git_version!(
        args = ["--always", "--exclude=*", "--dirty=-dirty", "--abbrev=12"],
        fallback = ""
    );
    (!commit.is_empty()).then(|| commit.to_owned())
}
