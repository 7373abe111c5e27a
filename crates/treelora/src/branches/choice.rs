//! Which branch a new task is trained on.

use serde::{Deserialize, Serialize};

/// How the branch of a new task is chosen.
///
/// All but the first two are controls: each replaces a part of the choice by something that knows less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BranchChoice {
    /// Of the branches of the nearest tasks, which the tree finds, the one from which the new task is shifted least; a
    /// branch of its own where even that shift is more than one domain explains.
    #[default]
    Tree,
    /// As `tree`, but every branch is compared with.
    Exhaustive,
    /// A branch is opened when `tree` would; else one of those that exist at random.
    Random,
    /// A branch is opened when `tree` would; else the one that was trained on last goes on.
    Last,
    /// One branch for all tasks.
    One,
    /// A branch for each task.
    Each,
}

/// Where the adapter of a new branch starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BranchStart {
    /// At a fresh adapter (A Kaiming-uniform, B zero).
    #[default]
    Fresh,
    /// At the adapter of the branch that the new task is shifted from least.
    Nearest,
    /// At the adapter that was trained on last.
    Last,
    /// At one of the adapters at random.
    Random,
    /// At the adapter that does best on a few examples, or fresh where the frozen model does better. The tree says which
    /// adapters are tried: `2 log2 N + 4` of N.
    Probe,
    /// As `probe`, but every adapter is tried.
    ProbeAll,
}

/// Where a new task was put, and why.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// The branch; a new one where it is the number of those that there were.
    pub branch: usize,
    /// The branch that the task is shifted from least, of those that it was compared with.
    pub nearest: Option<usize>,
    /// The shift from it.
    pub shift: Option<f64>,
    /// Signatures that were looked at, and branches that the task was compared with.
    pub looked_at: usize,
    /// The branch at whose adapter the task starts; none where it starts fresh.
    pub start: Option<usize>,
    /// Forward passes over a few examples that this took.
    pub passes: usize,
}
