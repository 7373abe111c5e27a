//! Scoring a model on the test data of the tasks seen so far.

use treelora_cl_bench::{
    StreamData,
    metrics::{Cell, TaskInferenceCount, TaskScore, best_classes},
    stream::TaskIdentity,
};
use treelora_core::{Classifier, ContinualModel, Error, Learner, Method, TaskId};

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

    /// What was found to be odd since this was last asked.
    fn take_warnings(&self) -> Vec<String> {
        Vec::new()
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
                inference.record(tasks, method.adapter_of(on));
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
