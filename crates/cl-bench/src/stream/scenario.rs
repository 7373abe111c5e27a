//! What distinguishes the tasks of a stream.

use serde::{Deserialize, Serialize};

/// What distinguishes the tasks of a stream, and what is told at test time.
///
/// | scenario | labels of a task | answer is one of | task told at test time |
/// |---|---|---|---|
/// | class-incremental | its own | all labels so far | no |
/// | task-incremental | its own | the task's labels | yes |
/// | domain-incremental | all | all labels | no |
/// | versatile-incremental | those of its group of classes | all labels so far | no |
///
/// The label space is one for the whole stream in each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// New classes with every task; the hardest, since tasks compete.
    #[default]
    ClassIncremental,
    /// New classes with every task, and the task of a test example is told.
    TaskIncremental,
    /// The same classes in every task, from another domain.
    DomainIncremental,
    /// One group of classes from one domain in every task; both change, and either may come back. (Park et al.,
    /// "Versatile Incremental Learning", ECCV 2024.)
    VersatileIncremental,
}
