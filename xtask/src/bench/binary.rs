//! Our side of a comparison.

use std::path::PathBuf;

use anyhow::Result;

use super::{options::Options, package::PACKAGE};
use crate::{process, workspace::Workspace};

/// The binary `name` of the benches, built.
///
/// # Errors
/// When it does not build.
pub(crate) fn build(workspace: &Workspace, options: &Options, name: &str) -> Result<PathBuf> {
    let mut build = process::cargo(&workspace.root);
    build
        .args(["build", "-p", PACKAGE, "--bin", name])
        .args(["--profile", &options.profile])
        .args(&options.features);
    process::run(build)?;
    let folder = match options.profile.as_str() {
        "dev" => "debug",
        profile => profile,
    };
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    Ok(workspace.target.join(folder).join(file))
}
