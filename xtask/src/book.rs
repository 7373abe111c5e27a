//! The book: docs/ as pages.

use std::path::PathBuf;

use anyhow::Result;

use crate::{process, workspace::Workspace};

/// What .ci/run builds with; installed where no mdbook of it is at hand.
const VERSION: &str = "0.5.4";

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut build = process::command(mdbook(workspace)?, &workspace.root);
    build.arg("build");
    process::run(build)
}

/// The `mdbook` of the path, or one of our own under the target folder.
fn mdbook(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join("tools");
    let own = folder.join("bin/mdbook");
    for program in [PathBuf::from("mdbook"), own.clone()] {
        let mut version = process::command(&program, &workspace.root);
        version.arg("--version");
        if process::output(version).is_ok_and(|text| text.trim().ends_with(VERSION)) {
            return Ok(program);
        }
    }
    let mut install = process::cargo(&workspace.root);
    install.args(["install", "mdbook", "--version", VERSION, "--locked"]);
    // Without watching and serving, half the build.
    install.args(["--no-default-features", "--features", "search", "--root"]);
    install.arg(&folder);
    process::run(install)?;
    Ok(own)
}
