//! Tasks of this repository, run as `cargo xtask <command>`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod workspace;

mod process;

mod python;

mod tidy;

mod golden;

mod bench;

mod reproduce;

mod fuzz;

mod test_wgpu;

mod book;

mod commands;

use std::process::ExitCode;

use anyhow::{Result, bail};
use commands::help;
use workspace::Workspace;

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
        "fuzz" => fuzz::run(&workspace, rest),
        "test-wgpu" => test_wgpu::run(&workspace),
        "book" => book::run(&workspace),
        other => bail!("no command `{other}`\n\n{}", help()),
    }
}
