//! What a method is told about the stream: tasks and steps.

use serde::{Deserialize, Serialize};

/// Position of a task in the stream, counted from 0.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TaskId(pub usize);

impl std::fmt::Display for TaskId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One task of a stream, as a method sees it while training on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Position in the stream.
    pub id: TaskId,
    /// Human-readable name.
    pub name: String,
    /// Labels that occur in the task, in the label space of the whole stream. Empty for tasks
    /// that are not classification.
    pub classes: Vec<usize>,
}

/// Where in its task a training step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepInfo {
    /// The task that is being learned.
    pub task: TaskId,
    /// Epoch within the task, from 0.
    pub epoch: usize,
    /// Number of epochs of the task.
    pub epochs: usize,
    /// Step within the epoch, from 0.
    pub step: usize,
    /// Number of steps of each epoch.
    pub steps: usize,
}

impl StepInfo {
    /// Whether the step belongs to the last epoch of its task.
    pub fn is_last_epoch(&self) -> bool {
        self.epoch + 1 == self.epochs
    }

    /// Step within the task, from 0.
    pub fn step_in_task(&self) -> usize {
        self.epoch * self.steps + self.step
    }

    /// Share of the task that is done before this step, in `[0, 1)`.
    pub fn progress(&self) -> f64 {
        self.step_in_task() as f64 / (self.epochs * self.steps).max(1) as f64
    }
}
