//! A continual-learning method: few hooks, values in and values out.

use std::{borrow::Cow, path::Path};

use burn::{
    optim::GradientsParams,
    tensor::{Device, Tensor},
};

use crate::{
    Answer, Batches, ContinualModel, Error, Learner, LearningRates, StepInfo, Task, TaskId,
};

/// Which training data a method may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// The current task alone: continual learning.
    CurrentTask,
    /// All tasks at once, in one stage: the ceiling that joint training gives.
    AllTasks,
}

/// A continual-learning method for models of type `M`.
///
/// What a method trains is a [`Learner`]: the model, and beside it parameters of the method's own. The run loop
/// optimises, checkpoints and resumes all of it; hooks take it and return it.
///
/// Every default leaves the hook to the [`inner`](Self::inner) method and does nothing where there is none, so
/// `impl<M: ContinualModel> Method<M> for Sequential {}` is sequential fine-tuning, and a method around another one
/// says only what it changes. The trait is object-safe for one model type.
///
/// The order of the calls is in the crate docs. A method keeps what it must between calls and writes all of it in
/// [`save`](Self::save), so that a loaded method continues with equal results.
pub trait Method<M: ContinualModel> {
    /// The method that this one is put around, if it is. Every hook that is not overridden goes to it.
    fn inner(&self) -> Option<&dyn Method<M>> {
        None
    }

    /// As [`inner`](Self::inner), to be changed; the two must agree.
    fn inner_mut(&mut self) -> Option<&mut dyn Method<M>> {
        None
    }

    /// Which data the run loop feeds.
    fn exposure(&self) -> Exposure {
        match self.inner() {
            Some(inner) => inner.exposure(),
            None => Exposure::CurrentTask,
        }
    }

    /// Attach what the method trains (adapters, prompts, a second network) to the plain model. Called once, before the
    /// first task or before a checkpoint is read into the learner.
    ///
    /// # Errors
    /// When the method's settings do not fit the model.
    fn attach(&mut self, model: M) -> Result<Learner<M>, Error> {
        match self.inner_mut() {
            Some(inner) => inner.attach(model),
            None => Ok(Learner::of(model)),
        }
    }

    /// Before the first step of a task; `data` is the training data of the task.
    ///
    /// # Errors
    /// When the method's settings do not fit the task, and when the data cannot be read.
    fn begin_task(
        &mut self,
        learner: Learner<M>,
        data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<Learner<M>, Error> {
        match self.inner_mut() {
            Some(inner) => inner.begin_task(learner, data, task),
            None => Ok(learner),
        }
    }

    /// Learning rates of a step before the schedule's factor; `base` are those of the configuration.
    fn learning_rates(&self, base: LearningRates, step: &StepInfo) -> LearningRates {
        match self.inner() {
            Some(inner) => inner.learning_rates(base, step),
            None => base,
        }
    }

    /// The quantity to minimise.
    ///
    /// # Shapes
    /// `[1]`.
    ///
    /// # Errors
    /// When what the method added to the model no longer fits it.
    fn objective(
        &mut self,
        learner: &Learner<M>,
        batch: &M::Batch,
        step: &StepInfo,
    ) -> Result<Tensor<1>, Error> {
        match self.inner_mut() {
            Some(inner) => inner.objective(learner, batch, step),
            None => Ok(learner.model.loss(batch)),
        }
    }

    /// The gradients to apply, from those of the objective.
    ///
    /// # Errors
    /// When a projection cannot be computed.
    fn gradients(
        &mut self,
        learner: &Learner<M>,
        gradients: GradientsParams,
        step: &StepInfo,
    ) -> Result<GradientsParams, Error> {
        match self.inner_mut() {
            Some(inner) => inner.gradients(learner, gradients, step),
            None => Ok(gradients),
        }
    }

    /// After the optimiser's step.
    ///
    /// # Errors
    /// When what is put into the learner does not fit it.
    fn after_step(&mut self, learner: Learner<M>, step: &StepInfo) -> Result<Learner<M>, Error> {
        match self.inner_mut() {
            Some(inner) => inner.after_step(learner, step),
            None => Ok(learner),
        }
    }

    /// After the last step of a task; `data` is the task's training data.
    ///
    /// # Errors
    /// When the data cannot be read or the statistics of it are degenerate.
    fn end_task(
        &mut self,
        learner: Learner<M>,
        data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<Learner<M>, Error> {
        match self.inner_mut() {
            Some(inner) => inner.end_task(learner, data, task),
            None => Ok(learner),
        }
    }

    /// What answers: without autodiff, adapters set as the method's inference wants.
    ///
    /// # Errors
    /// When what the method kept does not fit the model.
    fn for_evaluation(&self, learner: &Learner<M>) -> Result<Learner<M>, Error> {
        match self.inner() {
            Some(inner) => inner.for_evaluation(learner),
            None => Ok(burn::module::Module::valid(learner)),
        }
    }

    /// What answers, with what was kept for `task` (its adapter) in the place of the newest; `answering` comes from
    /// [`for_evaluation`](Self::for_evaluation). `None` where the method answers every task alike, and for a task it
    /// has not learned.
    ///
    /// # Errors
    /// When what the method kept does not fit the model.
    fn for_task(&self, answering: &Learner<M>, task: TaskId) -> Result<Option<Learner<M>>, Error> {
        match self.inner() {
            Some(inner) => inner.for_task(answering, task),
            None => Ok(None),
        }
    }

    /// The first of the tasks that are answered by the same adapter as `task`: the task itself where each has its own, or
    /// where one answers all. Told apart by it, what was inferred is right when the adapter is.
    fn adapter_of(&self, task: TaskId) -> TaskId {
        match self.inner() {
            Some(inner) => inner.adapter_of(task),
            None => task,
        }
    }

    /// The task whose share answers each example, inferred from features of the frozen base, which are computed when the
    /// method asks for them: what chooses the model that writes, where an answer is no row of scores. `None` where the
    /// method infers no task, or not from these features.
    ///
    /// # Shapes
    /// The features are `[examples, features]`; one task a row, each from its own row alone.
    fn infer_tasks(&self, frozen_features: &dyn Fn() -> Tensor<2>) -> Option<Vec<TaskId>> {
        match self.inner() {
            Some(inner) => inner.infer_tasks(frozen_features),
            None => None,
        }
    }

    /// Class scores of one batch, each row from its own example alone; `answering` comes from
    /// [`for_evaluation`](Self::for_evaluation). `told` is the task of every example where it is known: an upper bound,
    /// labelled `oracle` in every result.
    ///
    /// # Errors
    /// When what the method kept does not fit the model.
    fn answer(
        &self,
        answering: &Learner<M>,
        batch: &M::Batch,
        told: Option<TaskId>,
    ) -> Result<Answer, Error> {
        match self.inner() {
            Some(inner) => inner.answer(answering, batch, told),
            None => answer_as_told(self, answering, batch, told),
        }
    }

    /// Numbers worth logging at this step, by name (loss terms, chosen arms).
    fn log(&self) -> Vec<(String, f64)> {
        self.inner().map_or_else(Vec::new, |inner| inner.log())
    }

    /// What readers may want to know of the task that just ended and that has no place in
    /// [`log`](Self::log): a tree, arm statistics. The run keeps each value as
    /// `tasks/<task>/<name>.json`; nothing is ever read back from it.
    fn diagnostics(&self) -> Vec<(String, serde_json::Value)> {
        self.inner()
            .map_or_else(Vec::new, |inner| inner.diagnostics())
    }

    /// Bytes that the method keeps from task to task beside the learner: adapters, signatures,
    /// statistics, stored examples.
    fn stored_bytes(&self) -> usize {
        self.inner().map_or(0, |inner| inner.stored_bytes())
    }

    /// Write everything the method remembers into the folder `dir`, which exists. What is in the learner is not the
    /// method's to write.
    ///
    /// # Errors
    /// When writing fails.
    fn save(&self, dir: &Path) -> Result<(), Error> {
        self.inner().map_or(Ok(()), |inner| inner.save(dir))
    }

    /// Read what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// When a file is missing or damaged; the message names it.
    fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        match self.inner_mut() {
            Some(inner) => inner.load(dir, device),
            None => Ok(()),
        }
    }

    /// Write into the folder `dir`, which exists, what the steps of the current task have changed in
    /// the method itself: statistics so far, a choice that is pending. Called between two steps.
    ///
    /// # Errors
    /// When writing fails.
    fn save_progress(&self, dir: &Path) -> Result<(), Error> {
        self.inner()
            .map_or(Ok(()), |inner| inner.save_progress(dir))
    }

    /// Read what [`save_progress`](Self::save_progress) wrote. A run that goes on in the middle of a
    /// task first reads the checkpoint before the task, begins the task, and then reads this, so
    /// that what [`begin_task`](Self::begin_task) makes need not be stored.
    ///
    /// # Errors
    /// When a file is missing or damaged; the message names it.
    fn load_progress(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        match self.inner_mut() {
            Some(inner) => inner.load_progress(dir, device),
            None => Ok(()),
        }
    }
}

/// What answers when a task is told: what `method` kept for it, where it kept something.
///
/// # Errors
/// When what the method kept does not fit the model.
pub fn as_told<'l, M: ContinualModel>(
    method: &(impl Method<M> + ?Sized),
    answering: &'l Learner<M>,
    told: Option<TaskId>,
) -> Result<Cow<'l, Learner<M>>, Error> {
    let of_task = match told {
        Some(task) => method.for_task(answering, task)?,
        None => None,
    };
    Ok(of_task.map_or(Cow::Borrowed(answering), Cow::Owned))
}

/// Scores of the model, with what `method` kept for the told task in its place where it kept something: the
/// default of [`Method::answer`].
///
/// # Errors
/// When what the method kept does not fit the model.
pub fn answer_as_told<M: ContinualModel>(
    method: &(impl Method<M> + ?Sized),
    answering: &Learner<M>,
    batch: &M::Batch,
    told: Option<TaskId>,
) -> Result<Answer, Error> {
    let answering = as_told(method, answering, told)?;
    Ok(Answer::of(answering.model.logits(batch)))
}
