//! What a method answers on a batch.

use burn::tensor::Tensor;

use crate::TaskId;

/// Class scores, and the task that each example was taken to belong to.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `[batch, classes]`.
    pub scores: Tensor<2>,
    /// One entry an example, where the method inferred tasks to answer; `None` where it was told, or answers every task
    /// alike.
    pub tasks: Option<Vec<TaskId>>,
}

impl Answer {
    /// Scores, without any task inferred.
    ///
    /// # Shapes
    /// `[batch, classes]`.
    pub fn of(scores: Tensor<2>) -> Self {
        Self {
            scores,
            tasks: None,
        }
    }
}
