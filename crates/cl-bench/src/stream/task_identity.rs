//! Whether the task of a test example is told.

use super::Scenario;

/// Whether the task of a test example is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskIdentity {
    /// No: class-incremental, domain-incremental and versatile-incremental.
    Inferred,
    /// Yes: task-incremental, an upper bound.
    Oracle,
}

impl From<Scenario> for TaskIdentity {
    fn from(scenario: Scenario) -> Self {
        match scenario {
            Scenario::TaskIncremental => Self::Oracle,
            Scenario::ClassIncremental
            | Scenario::DomainIncremental
            | Scenario::VersatileIncremental => Self::Inferred,
        }
    }
}
