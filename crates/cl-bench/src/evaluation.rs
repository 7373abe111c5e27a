//! Scoring a model on the test data of the tasks seen so far.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use serde::Serialize;
use treelora_core::{Classifier, ContinualModel, Error, Learner, Method, TaskId};

use crate::{metrics::Cell, stream::Scenario, stream_data::StreamData};

/// How well a method answers the test data of one task.
pub trait Scoring<M: ContinualModel> {
    /// The score on task `on` after training up to task `after`; `answering` comes from
    /// [`Method::for_evaluation`].
    ///
    /// # Errors
    /// From the data.
    fn score(
        &self,
        method: &dyn Method<M>,
        answering: &Learner<M>,
        on: TaskId,
        after: TaskId,
    ) -> Result<TaskScore, Error>;
}

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

    /// Add the counts of another task.
    pub fn add(&mut self, other: Self) {
        self.right += other.right;
        self.counted += other.counted;
    }
}

/// Top-1 accuracy of a classifier among the classes that the scenario allows.
pub struct TopOne<'a, B> {
    /// The stream.
    pub data: &'a dyn StreamData<B>,
    /// Whether the task of an example is told.
    pub identity: TaskIdentity,
    /// Test examples a batch; has no influence on results.
    pub batch_size: usize,
}

impl<M: Classifier> Scoring<M> for TopOne<'_, M::Batch> {
    fn score(
        &self,
        method: &dyn Method<M>,
        answering: &Learner<M>,
        on: TaskId,
        after: TaskId,
    ) -> Result<TaskScore, Error> {
        let allowed = self.data.allowed(on, after);
        let mut cell = Cell::default();
        let mut inference = TaskInferenceCount::default();
        for batch in self.data.test(on, self.batch_size)? {
            let batch = batch?;
            let told = match self.identity {
                TaskIdentity::Inferred => None,
                TaskIdentity::Oracle => Some(on),
            };
            let answer = method.answer(answering, &batch, told)?;
            if let Some(tasks) = &answer.tasks {
                inference.counted += tasks.len();
                inference.right += tasks.iter().filter(|task| **task == on).count();
            }
            let answers = best_classes(answer.scores, &allowed);
            for (answer, label) in answers.iter().zip(answering.model.labels(&batch)) {
                cell.total += 1;
                cell.correct += usize::from(answer == label);
            }
        }
        Ok(TaskScore {
            inference,
            ..cell.into()
        })
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
