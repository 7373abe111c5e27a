//! Tasks of this repository, run as `cargo xtask <command>`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod workspace;

mod process;

mod python;

mod tidy;

mod golden;

mod bench;

mod reproduce;

mod test_wgpu;

mod book;

use std::process::ExitCode;

use anyhow::{Result, bail};
use workspace::Workspace;

/// Name, arguments and purpose of each command; the README is checked against the names.
const COMMANDS: [(&str, &str, &str); 8] = [
    (
        "ci",
        "",
        "everything that continuous integration checks (.ci/run)",
    ),
    (
        "tidy",
        "",
        "house rules: crate edges, backends, docs, README, paper index",
    ),
    (
        "golden",
        "[--python EXE] [--models DIR]",
        "write the test fixtures from the Python references; makes a virtual environment first",
    ),
    (
        "bench",
        bench::ARGUMENTS,
        "run the benchmarks, print one table, write docs/benchmarks.md",
    ),
    (
        "bench-gpu",
        bench::gpu::ARGUMENTS,
        "the training step on a graphics card, against PyTorch; as a binary it needs no cargo there",
    ),
    (
        "reproduce",
        reproduce::ARGUMENTS,
        "run committed results again: those that need no files, or those named, and compare",
    ),
    (
        "test-wgpu",
        "",
        "the model and method tests on wgpu; software Vulkan is enough",
    ),
    (
        "book",
        "",
        "make pages of docs/ under target/book; installs mdbook there first",
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let (command, rest) = match arguments {
        [] => ("help", [].as_slice()),
        [command, rest @ ..] => (command.as_str(), rest),
    };
    if matches!(command, "help" | "--help" | "-h") {
        print!("{}", help());
        return Ok(());
    }
    if matches!(command, "ci" | "tidy" | "test-wgpu" | "book")
        && let Some(extra) = rest.first()
    {
        bail!("`{command}` takes no argument, got `{extra}`");
    }
    if command == "bench-gpu" {
        return bench::gpu::run(rest);
    }
    let workspace = Workspace::read()?;
    match command {
        "ci" => process::run(process::command(".ci/run", &workspace.root)),
        "tidy" => tidy::run(&workspace),
        "golden" => golden::run(&workspace, rest),
        "bench" => bench::run(&workspace, rest),
        "reproduce" => reproduce::run(&workspace, rest),
        "test-wgpu" => test_wgpu::run(&workspace),
        "book" => book::run(&workspace),
        other => bail!("no command `{other}`\n\n{}", help()),
    }
}

fn help() -> String {
    let mut text = "Tasks of this repository: cargo xtask <command>\n\n".to_owned();
    for (name, arguments, purpose) in COMMANDS {
        text += &format!("  {:<10} {purpose}\n", name);
        if !arguments.is_empty() {
            text += &format!("  {:<10} {arguments}\n", "");
        }
    }
    text
}
