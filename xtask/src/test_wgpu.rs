//! The same tests on another backend: software Vulkan is enough.

use anyhow::Result;

use crate::{process, workspace::Workspace};

/// Test binaries that take the device from `BURN_DEVICE`: package and name.
const TESTS: [(&str, &str); 1] = [("treelora-models", "golden")];

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    for (package, test) in TESTS {
        let mut command = process::cargo(&workspace.root);
        command.args(["test", "-p", package, "--features", "wgpu", "--test", test]);
        process::run({
            command.env("BURN_DEVICE", "wgpu");
            command
        })?;
    }
    Ok(())
}
