//! The tasks of a stream without its examples.

use serde::{Deserialize, Serialize};
use treelora_core::{Task, TaskId};

use super::Scenario;
use crate::seen_classes;

/// What the answers of a model mean: the tasks and the names of their labels, all that is needed of a stream to answer
/// new examples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamOutline {
    /// What the tasks have in common and what is told at test time.
    pub scenario: Scenario,
    /// The tasks in order.
    pub tasks: Vec<Task>,
    /// Name of each label.
    pub label_names: Vec<String>,
}

impl StreamOutline {
    /// The labels that may be answered on task `on` after training up to task `after`, ascending.
    ///
    /// # Panics
    /// When a task is not in the stream.
    pub fn allowed(&self, on: TaskId, after: TaskId) -> Vec<usize> {
        match self.scenario {
            Scenario::ClassIncremental | Scenario::VersatileIncremental => {
                seen_classes(&self.tasks[..=after.0])
            }
            Scenario::TaskIncremental => self.tasks[on.0].classes.clone(),
            Scenario::DomainIncremental => (0..self.label_names.len()).collect(),
        }
    }
}
