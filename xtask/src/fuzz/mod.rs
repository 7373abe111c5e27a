//! A coverage-guided search for bytes that a parser cannot take: `fuzz` under libFuzzer, on the stable toolchain.

mod options;

mod search;

mod statistics;

mod table;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use options::Options;
use search::Search;

use crate::{process, workspace::Workspace};

pub(crate) const ARGUMENTS: &str = "[FORMAT ...] [--minutes N]";

/// A folder for each format; what the search kept.
const CORPUS: &str = "fuzz/corpus";

/// Counters of every branch and the operands of every comparison, which libFuzzer is guided by. `cfg(fuzzing)` lets
/// decoders pass over checksums, which no mutation meets.
const INSTRUMENTED: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
    "-Cdebuginfo=0",
];

/// Search each format named, or all, for so many minutes of a processor; keep the inputs that reach most, and state
/// executions and coverage in docs/robustness.md.
///
/// # Errors
/// When an input is found that the parser cannot take: the message names the file that holds it.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments, &formats(workspace)?)?;
    let commit = workspace.commit()?;
    let binary = built(workspace)?;
    let kept = workspace.root.join(CORPUS);
    for format in &options.formats {
        let search = Search::new(workspace, &binary, &kept, format);
        let statistics = search.run(options.minutes)?;
        let kept = search.keep()?;
        println!(
            "{format}: {} executions, {} branches, {kept} inputs kept",
            statistics.executions, statistics.branches
        );
        table::state(workspace, format, &statistics, kept, &commit)?;
    }
    Ok(())
}

/// Names of the folders under [`CORPUS`], which a test of `fuzz` compares with its formats.
fn formats(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.root.join(CORPUS);
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The instrumented binary; a target of its own, so that build scripts and macros stay plain.
fn built(workspace: &Workspace) -> Result<PathBuf> {
    let host = host(&workspace.root)?;
    let folder = workspace.target.join("fuzz");
    let mut command = process::cargo(&workspace.root);
    command
        .args(["build", "--locked", "--package", "treelora-fuzz"])
        .args(["--features", "libfuzzer", "--bin", "fuzz", "--target"])
        .arg(&host)
        .arg("--target-dir")
        .arg(&folder)
        .env("RUSTFLAGS", INSTRUMENTED.join(" "));
    process::run(command)?;
    Ok(folder.join(host).join("debug/fuzz"))
}

fn host(root: &Path) -> Result<String> {
    let mut command = process::command("rustc", root);
    command.arg("-vV");
    let version = process::output(command)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    match host {
        Some(host) => Ok(host.to_owned()),
        None => bail!("`rustc -vV` names no host"),
    }
}
