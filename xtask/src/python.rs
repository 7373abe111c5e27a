//! A Python of this repository's own.

use std::ffi::OsString;

use anyhow::Result;

use crate::{process, workspace::Workspace};

/// The interpreter of a virtual environment under the target folder with these requirements, made on first use.
pub(crate) fn virtual_environment(
    workspace: &Workspace,
    name: &str,
    requirements: &[&str],
) -> Result<OsString> {
    let folder = workspace.target.join(name);
    let python = match cfg!(windows) {
        true => folder.join("Scripts/python.exe"),
        false => folder.join("bin/python"),
    };
    if !python.exists() {
        let mut make = process::command("python3", &workspace.root);
        make.args(["-m", "venv"]).arg(&folder);
        process::run(make)?;
    }
    let mut install = process::command(&python, &workspace.root);
    install
        .args(["-m", "pip", "install", "--quiet"])
        .args(requirements);
    process::run(install)?;
    Ok(python.into())
}
