//! A Python with PyTorch and what else the other sides import.

use std::ffi::OsString;

use anyhow::Result;

use super::{
    options::{Opponent, Options},
    processor::{Bf16, Processor},
};
use crate::{process, python, workspace::Workspace};

/// The interpreter, where there is an opponent.
///
/// # Errors
/// When the virtual environment cannot be made.
pub(crate) fn interpreter(workspace: &Workspace, options: &Options) -> Result<Option<OsString>> {
    Ok(match &options.opponent {
        Opponent::None => None,
        Opponent::PyTorchOf(python) => Some(python.clone()),
        Opponent::PyTorch => {
            let requirements = ["-r", "xtask/bench/requirements.txt"];
            Some(python::virtual_environment(
                workspace,
                "bench-venv",
                &requirements,
            )?)
        }
    })
}

/// The versions of some of its packages: `torch 2.15.0, peft 0.21.2`.
///
/// # Errors
/// When one cannot be imported.
pub(crate) fn versions(
    workspace: &Workspace,
    python: &OsString,
    packages: &[&str],
) -> Result<String> {
    let mut command = process::command(python, &workspace.root);
    let script = "import importlib, sys\n\
        print(', '.join(f'{p} {importlib.import_module(p).__version__}' for p in sys.argv[1:]))";
    command.args(["-c", script]).args(packages);
    Ok(process::output(command)?.trim().to_owned())
}

/// What PyTorch does in the bf16 rows, in words.
pub(crate) fn in_bf16_rows(bf16: Bf16, where_multiplied: &str) -> String {
    match bf16 {
        Bf16::Multiplied => format!("{where_multiplied} in the bf16 rows"),
        Bf16::Emulated => "f32 in the bf16 rows too".to_owned(),
    }
}

/// Whether PyTorch computes in bf16 here.
pub(crate) fn bf16() -> Bf16 {
    Processor::of_this_machine().bf16
}
