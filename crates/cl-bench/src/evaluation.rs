//! Scoring a model on the test data of the tasks seen so far.

use burn::tensor::Tensor;
use treelora_core::{Classifier, Error, Method, TaskId};

use crate::{metrics::Cell, stream::Scenario, stream_data::StreamData};

/// Whether the task of a test example is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskIdentity {
    /// No: class-incremental and domain-incremental.
    Inferred,
    /// Yes: task-incremental, an upper bound.
    Oracle,
}

impl From<Scenario> for TaskIdentity {
    fn from(scenario: Scenario) -> Self {
        match scenario {
            Scenario::TaskIncremental => Self::Oracle,
            Scenario::ClassIncremental | Scenario::DomainIncremental => Self::Inferred,
        }
    }
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
    /// is one of the classes that the scenario allows. `answering` comes from [`Method::for_evaluation`].
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
        let allowed = self.data.allowed(on, after);
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
    let scores: Vec<f32> = scores.into_data().iter::<f32>().collect();
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
