//! A continual-learning method: few hooks, values in and values out.

use std::path::Path;

use burn::{
    optim::GradientsParams,
    tensor::{Device, Tensor},
};

use crate::{Batches, ContinualModel, Error, StepInfo, Task, TaskId};

/// Which training data a method may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// The current task alone: continual learning.
    CurrentTask,
    /// All tasks at once, in one stage: the ceiling that joint training gives.
    AllTasks,
}

/// Learning rates of one step, before the schedule's factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearningRates {
    /// Of every adapter parameter.
    pub adapter: f64,
    /// Of every other trainable parameter (the head).
    pub head: f64,
}

/// A continual-learning method for models of type `M`.
///
/// Every default does nothing, so `impl<M: ContinualModel> Method<M> for Sequential {}` is
/// sequential fine-tuning. The trait is object-safe for one model type.
///
/// The order of the calls is in the crate docs. A method keeps what it must between calls and
/// writes all of it in [`save`](Self::save), so that a loaded method continues with equal results.
pub trait Method<M: ContinualModel> {
    /// Which data the run loop feeds.
    fn exposure(&self) -> Exposure {
        Exposure::CurrentTask
    }

    /// Attach what the method trains (adapters) to the plain model. Called once, before the first
    /// task or before a checkpoint is read into the model.
    ///
    /// # Errors
    /// When the method's settings do not fit the model.
    fn attach(&mut self, model: M) -> Result<M, Error> {
        Ok(model)
    }

    /// Before the first step of a task.
    ///
    /// # Errors
    /// When the method's settings do not fit the task.
    fn begin_task(&mut self, model: M, _task: &Task) -> Result<M, Error> {
        Ok(model)
    }

    /// Learning rates of a step; `base` are those of the configuration.
    fn learning_rates(&self, base: LearningRates, _step: &StepInfo) -> LearningRates {
        base
    }

    /// The quantity to minimise.
    ///
    /// # Shapes
    /// `[1]`.
    fn objective(&mut self, model: &M, batch: &M::Batch, _step: &StepInfo) -> Tensor<1> {
        model.loss(batch)
    }

    /// The gradients to apply, from those of the objective.
    fn gradients(
        &mut self,
        _model: &M,
        gradients: GradientsParams,
        _step: &StepInfo,
    ) -> GradientsParams {
        gradients
    }

    /// After the optimiser's step.
    fn after_step(&mut self, model: M, _step: &StepInfo) -> M {
        model
    }

    /// After the last step of a task; `data` is the task's training data.
    ///
    /// # Errors
    /// When the data cannot be read or the statistics of it are degenerate.
    fn end_task(
        &mut self,
        model: M,
        _data: &dyn Batches<M::Batch>,
        _task: &Task,
    ) -> Result<M, Error> {
        Ok(model)
    }

    /// The model that answers: without autodiff, adapters set as the method's inference wants.
    fn for_evaluation(&self, model: &M) -> M {
        model.valid()
    }

    /// Class scores of one batch; `model` comes from [`for_evaluation`](Self::for_evaluation).
    /// The task of an example is not given. Each row depends on its own example alone.
    ///
    /// # Shapes
    /// `[batch, classes]`.
    fn predict(&self, model: &M, batch: &M::Batch) -> Tensor<2> {
        model.logits(batch)
    }

    /// The answering model with what was kept for `task` (its adapter) in the place of the newest;
    /// `model` comes from [`for_evaluation`](Self::for_evaluation). `None` where the method answers
    /// every task with one model, and for a task it has not learned.
    fn for_task(&self, _model: &M, _task: TaskId) -> Option<M> {
        None
    }

    /// Class scores when the task of every example is told: an upper bound, labelled `oracle`.
    ///
    /// # Shapes
    /// `[batch, classes]`.
    fn predict_with_task(&self, model: &M, batch: &M::Batch, task: TaskId) -> Tensor<2> {
        match self.for_task(model, task) {
            Some(of_task) => self.predict(&of_task, batch),
            None => self.predict(model, batch),
        }
    }

    /// The task that the method believes each example belongs to, if it infers one.
    fn infer_tasks(&self, _model: &M, _batch: &M::Batch) -> Option<Vec<TaskId>> {
        None
    }

    /// Numbers worth logging at this step, by name (loss terms, chosen arms).
    fn log(&self) -> Vec<(String, f64)> {
        Vec::new()
    }

    /// What readers may want to know of the task that just ended and that has no place in
    /// [`log`](Self::log): a tree, arm statistics. The run keeps each value as
    /// `tasks/<task>/<name>.json`; nothing is ever read back from it.
    fn diagnostics(&self) -> Vec<(String, serde_json::Value)> {
        Vec::new()
    }

    /// Bytes that the method keeps from task to task beside the model: adapters, signatures,
    /// statistics, stored examples.
    fn stored_bytes(&self) -> usize {
        0
    }

    /// Write everything the method remembers into the folder `dir`, which exists.
    ///
    /// # Errors
    /// When writing fails.
    fn save(&self, _dir: &Path) -> Result<(), Error> {
        Ok(())
    }

    /// Read what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// When a file is missing or damaged; the message names it.
    fn load(&mut self, _dir: &Path, _device: &Device) -> Result<(), Error> {
        Ok(())
    }

    /// Write into the folder `dir`, which exists, what the steps of the current task have changed in
    /// the method itself: an optimiser of its own, statistics so far. Called between two steps.
    ///
    /// # Errors
    /// When writing fails, or when the method knows that the task cannot end well.
    fn save_progress(&self, _dir: &Path) -> Result<(), Error> {
        Ok(())
    }

    /// Read what [`save_progress`](Self::save_progress) wrote. A run that goes on in the middle of a
    /// task first reads the checkpoint before the task, begins the task, and then reads this, so
    /// that what [`begin_task`](Self::begin_task) makes need not be stored.
    ///
    /// # Errors
    /// When a file is missing or damaged; the message names it.
    fn load_progress(&mut self, _dir: &Path, _device: &Device) -> Result<(), Error> {
        Ok(())
    }
}
