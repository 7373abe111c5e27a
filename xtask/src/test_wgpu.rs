//! The same tests on another backend: software Vulkan is enough.

use anyhow::Result;

use crate::{process, workspace::Workspace};

/// Packages whose tests take the device from `BURN_DEVICE`.
const PACKAGES: [&str; 9] = [
    "treelora-core",
    "treelora-lora",
    "treelora-kdtree",
    "treelora-models",
    "treelora",
    "treelora-class-incremental",
    "treelora-baselines",
    "treelora-cl-bench",
    "treelora-experiment",
];

/// Their tests that compute on it.
const TESTS: [&str; 9] = [
    "external_method",
    "golden",
    "laws",
    "dropout",
    "adapted",
    "peft",
    "decoder",
    "import",
    "end_to_end",
];

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    // One command, so that the packages share one build of their dependencies.
    let mut command = process::cargo(&workspace.root);
    command.args(["test", "--no-fail-fast", "--features", "wgpu"]);
    command.args(PACKAGES.iter().flat_map(|package| ["-p", package]));
    command.args(TESTS.iter().flat_map(|test| ["--test", test]));
    command.env("BURN_DEVICE", "wgpu");
    process::run(command)
}
