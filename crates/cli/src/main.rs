//! The `treelora` binary: continual learning from the command line.
// Results go to standard output, progress and errors to standard error.

#[macro_use]
mod output;

mod arguments;
mod commands;
mod device;
mod interrupt;
mod progress;
mod settings;
mod table;
mod tensorboard;

use clap::Parser;
use treelora_kernels::{Fused, set_fused};

use crate::arguments::{Arguments, Command};

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    keep_freed_memory();
    if arguments.no_fused {
        set_fused(Fused::Off);
    }
    let outcome = match arguments.command {
        Command::Quickstart(arguments) => commands::quickstart::run(&arguments),
        Command::Pretrain(arguments) => commands::pretrain::run(&arguments),
        Command::Run(arguments) => commands::run::run(&arguments),
        Command::Compare(arguments) => commands::compare::run(&arguments),
        Command::Resume(arguments) => commands::resume::run(&arguments),
        Command::Eval(arguments) => commands::eval::run(&arguments),
        Command::Predict(arguments) => commands::predict::run(&arguments),
        Command::Floors(arguments) => commands::floors::run(&arguments),
        Command::Report(arguments) => commands::report::run(&arguments),
        Command::Generate(arguments) => commands::generate::run(&arguments),
        Command::Export(arguments) => commands::export::run(&arguments),
        Command::List(arguments) => commands::list::run(&arguments),
        Command::BanditRegret(arguments) => commands::bandit_regret::run(&arguments),
    };
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", message(&error));
            std::process::ExitCode::from(match error.downcast_ref() {
                Some(treelora_experiment::Error::Interrupted { .. }) => interrupt::EXIT_CODE,
                _ => 2,
            })
        }
    }
}

/// The buffers of one training step serve the next, unless the environment settles how glibc's allocator works.
fn keep_freed_memory() {
    const SETTINGS: [&str; 3] = [
        "MALLOC_MMAP_THRESHOLD_",
        "MALLOC_TRIM_THRESHOLD_",
        "GLIBC_TUNABLES",
    ];
    let is_set = |name: &str| std::env::var_os(name).is_some();
    if !SETTINGS.into_iter().any(is_set) {
        treelora_kernels::keep_freed_memory();
    }
}

/// The error and its causes, but those that the message before them already tells.
fn message(error: &anyhow::Error) -> String {
    error
        .chain()
        .map(ToString::to_string)
        .fold(String::new(), |told, cause| match told.is_empty() {
            true => cause,
            false if told.ends_with(&cause) => told,
            false => format!("{told}: {cause}"),
        })
}
