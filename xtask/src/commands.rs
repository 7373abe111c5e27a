//! What xtask can do.

use crate::{bench, fuzz, reproduce};

/// Name, arguments and purpose of each command; the README is checked against the names.
pub(crate) const COMMANDS: [(&str, &str, &str); 9] = [
    (
        "ci",
        "",
        "everything that continuous integration checks (.ci/run)",
    ),
    (
        "tidy",
        "",
        "house rules: crate edges, circles of files, features, backends, docs, README, paper index",
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
        "fuzz",
        fuzz::ARGUMENTS,
        "look for bytes that a parser cannot take, guided by coverage; all formats, 20 minutes of a processor each",
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

/// What `cargo xtask help` prints.
pub(crate) fn help() -> String {
    let mut text = "Tasks of this repository: cargo xtask <command>\n\n".to_owned();
    for (name, arguments, purpose) in COMMANDS {
        text += &format!("  {:<10} {purpose}\n", name);
        if !arguments.is_empty() {
            text += &format!("  {:<10} {arguments}\n", "");
        }
    }
    text
}
