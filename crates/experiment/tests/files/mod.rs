//! What a run leaves that depends on its settings alone.

use std::{collections::BTreeMap, fs, path::Path};

/// SHA-256 of the run's files by path, without those that tell times, machine or events.
pub(crate) fn of_result(run: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for part in [
        "matrix.json",
        "tasks",
        "checkpoints",
        "answers",
        "stream.json",
    ] {
        collect(run, &run.join(part), &mut files);
    }
    assert!(files.len() > 2, "{} is no finished run", run.display());
    files
}

fn collect(run: &Path, path: &Path, files: &mut BTreeMap<String, String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            collect(run, &entry.unwrap().path(), files);
        }
        return;
    }
    let name = path.file_name().unwrap_or_default();
    if path.exists() && name != "result.json" && name != "checksums.json" {
        let inside = path.strip_prefix(run).unwrap().display().to_string();
        files.insert(inside, treelora_cl_bench::sha256(path).unwrap());
    }
}
