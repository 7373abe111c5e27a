//! How well the test data of one task were answered.

use std::collections::BTreeMap;

use serde::Serialize;
use treelora_core::TaskId;

use super::Cell;

/// A score on the test data of one task.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TaskScore {
    /// In `[0, 1]`; `None` without any test example.
    pub value: Option<f64>,
    /// Right answers among all, where answers are right or wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Cell>,
    /// The same answers under other scoring rules, by the name of the rule.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub other_rules: BTreeMap<String, f64>,
    /// What the method's task inference got right.
    #[serde(skip)]
    pub inference: TaskInferenceCount,
}

impl From<Cell> for TaskScore {
    fn from(counts: Cell) -> Self {
        Self {
            value: counts.accuracy(),
            counts: Some(counts),
            ..Self::default()
        }
    }
}

/// Right and counted answers of a method's task inference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TaskInferenceCount {
    right: usize,
    counted: usize,
}

impl TaskInferenceCount {
    /// Share of right answers; `None` when the method infers no task.
    pub fn share(&self) -> Option<f64> {
        (self.counted > 0).then(|| self.right as f64 / self.counted as f64)
    }

    /// Count the answers `inferred` for examples of one task.
    pub fn record(&mut self, inferred: &[TaskId], task: TaskId) {
        self.counted += inferred.len();
        self.right += inferred.iter().filter(|answer| **answer == task).count();
    }

    /// Add the counts of another task.
    pub fn add(&mut self, other: Self) {
        self.right += other.right;
        self.counted += other.counted;
    }
}
