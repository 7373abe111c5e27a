//! The search of one format.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::statistics::Statistics;
use crate::{process, workspace::Workspace};

/// Seconds of the wall clock after which the processor time is looked at.
const SLICE: u32 = 60;

/// How many inputs of a format are kept, and what they may take together: they belong to the repository.
const KEPT: usize = 40;
const KEPT_BYTES: u64 = 48 * 1024;

/// How the valid files of a corpus, and their halves, are called.
const SEED: &str = "seed-";

pub(super) struct Search {
    binary: PathBuf,
    format: String,
    /// Every input that reached something new.
    found: PathBuf,
    /// Those that the repository keeps.
    kept: PathBuf,
    /// Logs, and inputs that the parser could not take.
    folder: PathBuf,
}

impl Search {
    /// With the folder that holds what the repository keeps, one folder a format.
    pub(super) fn new(workspace: &Workspace, binary: &Path, kept: &Path, format: &str) -> Self {
        let folder = workspace.target.join("fuzz");
        Self {
            binary: binary.into(),
            format: format.into(),
            found: folder.join("corpus").join(format),
            kept: kept.join(format),
            folder,
        }
    }

    /// For so many minutes of a processor.
    pub(super) fn run(&self, minutes: f64) -> Result<Statistics> {
        fs::create_dir_all(&self.found)?;
        let mut total = Statistics::default();
        while total.cpu_minutes < minutes {
            let before = seconds_of_children()?;
            let mut command = self.command();
            command
                .arg(&self.found)
                .arg(&self.kept)
                .arg(format!("-max_total_time={SLICE}"))
                .arg("-print_final_stats=1")
                .arg("-rss_limit_mb=2048")
                .arg("-timeout=20")
                .arg(format!(
                    "-artifact_prefix={}/{}-",
                    self.folder.display(),
                    self.format
                ))
                .env("SEEDS", &self.found);
            let log = self.logged(command)?;
            total.add(&Statistics::parse(&log)?);
            total.cpu_minutes += (seconds_of_children()? - before) / 60.0;
            println!(
                "{}: {:.1} of {minutes} minutes, {} executions, {} branches",
                self.format, total.cpu_minutes, total.executions, total.branches
            );
        }
        Ok(total)
    }

    /// Put some of the smallest set of inputs that reaches everything into the repository, short ones and long ones, in
    /// the place of those that an earlier search put there; how many are kept, seeds included.
    pub(super) fn keep(&self) -> Result<usize> {
        let cover = self.folder.join("cover").join(&self.format);
        if cover.exists() {
            fs::remove_dir_all(&cover)?;
        }
        fs::create_dir_all(&cover)?;
        let mut command = self.command();
        command
            .arg("-set_cover_merge=1")
            .arg(&cover)
            .arg(&self.found)
            .arg(&self.kept);
        self.logged(command)?;

        let (mut bytes, mut count) = (0, 0);
        for (size, name) in by_size(&self.kept)? {
            if name.starts_with(SEED) {
                (bytes, count) = (bytes + size, count + 1);
            } else {
                fs::remove_file(self.kept.join(name))?;
            }
        }
        let inputs = by_size(&cover)?;
        let step = inputs.len().div_ceil(KEPT).max(1);
        for (size, name) in inputs.into_iter().step_by(step) {
            if name.starts_with(SEED) || bytes + size > KEPT_BYTES {
                continue;
            }
            fs::copy(cover.join(&name), self.kept.join(&name))?;
            (bytes, count) = (bytes + size, count + 1);
        }
        Ok(count)
    }

    fn command(&self) -> Command {
        let mut command = process::command(&self.binary, &self.folder);
        command.env("FORMAT", &self.format);
        command
    }

    /// What it printed.
    fn logged(&self, mut command: Command) -> Result<String> {
        let path = self.folder.join(format!("{}.log", self.format));
        command.stderr(fs::File::create(&path)?);
        let status = command.status().context("the fuzzer does not start")?;
        let log = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
        if !status.success() {
            let written = log.lines().find(|line| line.contains("Test unit written"));
            bail!(
                "{}: {} (log: {})",
                self.format,
                written.unwrap_or("the fuzzer stopped"),
                path.display()
            );
        }
        Ok(log)
    }
}

/// The files of a folder, the shortest first.
fn by_size(folder: &Path) -> Result<Vec<(u64, String)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        files.push((entry.metadata()?.len(), name));
    }
    files.sort();
    Ok(files)
}

/// Processor seconds of all programs that this process waited for: fields 16 and 17 of `/proc/self/stat`, in ticks of
/// which Linux counts a hundred a second.
fn seconds_of_children() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat").context("processor time is read on Linux")?;
    // The second field is a name in brackets, which may hold spaces.
    let (_, fields) = stat.rsplit_once(')').context("/proc/self/stat")?;
    let ticks: u64 = fields
        .split_whitespace()
        .skip(13)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap_or(0))
        .sum();
    Ok(ticks as f64 / 100.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn waited_for_children_are_counted() {
        let before = seconds_of_children().unwrap();
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        process::run({
            let mut command = process::command("sh", Path::new("."));
            command.args(["-c", busy]);
            command
        })
        .unwrap();
        assert!(seconds_of_children().unwrap() > before);
    }
}
