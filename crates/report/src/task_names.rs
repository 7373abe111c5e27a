//! Names of the tasks, counted from 1.

use treelora_core::TaskId;

/// Names of the tasks of a stream, for labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskNames(Vec<String>);

impl TaskNames {
    /// In the order of the stream.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }

    /// Number of tasks.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no task.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `3 cats`: number from 1 and name of a task by its index from 0.
    pub fn numbered(&self, index: usize) -> String {
        match self.0.get(index) {
            Some(name) => format!("{} {name}", index + 1),
            None => (index + 1).to_string(),
        }
    }

    /// The name alone; empty where a task has none.
    pub fn name(&self, index: usize) -> String {
        self.0.get(index).cloned().unwrap_or_default()
    }

    /// Numbers of tasks that share an adapter, such as `1+3`.
    pub fn numbers(tasks: &[TaskId]) -> String {
        joined(tasks, "+", |task| (task.0 + 1).to_string())
    }

    /// Numbers and names of tasks that share an adapter.
    pub fn all_numbered(&self, tasks: &[TaskId]) -> String {
        joined(tasks, ", ", |task| self.numbered(task.0))
    }
}

fn joined(tasks: &[TaskId], between: &str, name: impl Fn(&TaskId) -> String) -> String {
    tasks.iter().map(name).collect::<Vec<_>>().join(between)
}
