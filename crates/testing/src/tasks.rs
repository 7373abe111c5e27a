//! Tasks of two classes.

use treelora_core::{Task, TaskId};

/// Task `id` of the classes `2 id` and `2 id + 1`.
pub fn task(id: usize) -> Task {
    Task {
        id: TaskId(id),
        name: format!("task {id}"),
        classes: vec![2 * id, 2 * id + 1],
    }
}
