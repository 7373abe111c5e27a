//! Scoring a model on the test data of the tasks seen so far.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use treelora_core::{Classifier, Error, Method, TaskId};

use crate::{metrics::Cell, stream_data::StreamData};

/// How test examples are scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskIdentity {
    /// Not given: class-incremental and domain-incremental.
    Inferred,
    /// Given, with the classes outside the task masked: task-incremental, an upper bound.
    Oracle,
}

/// Everything that scoring needs beside the model.
pub struct Evaluation<'a, M: Classifier> {
    /// The method that answers.
    pub method: &'a dyn Method<M>,
    /// The stream.
    pub data: &'a dyn StreamData<M::Batch>,
    /// Whether the task of an example is told.
    pub identity: TaskIdentity,
    /// Test examples a batch; has no influence on results.
    pub batch_size: usize,
}

/// Right and counted answers of a method's task inference.
#[derive(Clone, Copy, Debug, Default)]
pub struct TaskInferenceCount {
    right: usize,
    counted: usize,
}

impl TaskInferenceCount {
    /// Share of right answers; `None` when the method infers no task.
    pub fn share(&self) -> Option<f64> {
        (self.counted > 0).then(|| self.right as f64 / self.counted as f64)
    }
}

impl<M: Classifier> Evaluation<'_, M> {
    /// Top-1 accuracy on the test data of task `on`, after training up to task `after`; the answer
    /// is one of the classes seen so far. `answering` comes from [`Method::for_evaluation`].
    ///
    /// # Errors
    /// From the data.
    pub fn score(
        &self,
        answering: &M,
        on: TaskId,
        after: TaskId,
        inference: &mut TaskInferenceCount,
    ) -> Result<Cell, Error> {
        let allowed = match self.identity {
            TaskIdentity::Inferred => self.data.seen_classes(after),
            TaskIdentity::Oracle => self.data.tasks()[on.0].classes.clone(),
        };
        let mut cell = Cell::default();
        for batch in self.data.test(on, self.batch_size)? {
            let batch = batch?;
            let scores = match self.identity {
                TaskIdentity::Inferred => self.method.predict(answering, &batch),
                TaskIdentity::Oracle => self.method.predict_with_task(answering, &batch, on),
            };
            if self.identity == TaskIdentity::Inferred
                && let Some(tasks) = self.method.infer_tasks(answering, &batch)
            {
                inference.counted += tasks.len();
                inference.right += tasks.iter().filter(|task| **task == on).count();
            }
            let answers = best_classes(scores, &allowed);
            for (answer, label) in answers.iter().zip(answering.labels(&batch)) {
                cell.total += 1;
                cell.correct += usize::from(answer == label);
            }
        }
        Ok(cell)
    }
}

/// The class of the largest score among `allowed`, the lowest index on ties.
///
/// # Shapes
/// `[batch, classes]`.
pub fn best_classes(scores: Tensor<2>, allowed: &[usize]) -> Vec<usize> {
    let classes = scores.dims()[1];
    let scores: Vec<f32> = scores
        .into_data()
        .convert::<f32>()
        .into_vec()
        .unwrap_or_default();
    scores
        .chunks_exact(classes.max(1))
        .map(|row| {
            let mut best = (f32::NEG_INFINITY, usize::MAX);
            for &class in allowed {
                if best.1 == usize::MAX || row[class] > best.0 {
                    best = (row[class], class);
                }
            }
            best.1
        })
        .collect()
}
