//! Another method's adapters, one a task, chosen for each example.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use treelora_core::{Answer, Batches, Error, Features, Learner, Method, Task, TaskId, TensorFile};

use crate::{
    discriminant::DiscriminantConfig, routing::answer_by_task, task_inference::TaskInference,
};

const FILE: &str = "task-inference.safetensors";

/// A method that keeps an adapter a task, answered by that of the task which each example is
/// inferred to belong to: a discriminant on the frozen backbone's features tells the task, and the
/// examples of one task go through the model together. Each example is inferred by itself, so that
/// neither batch size nor mixture matters.
///
/// Where answers are texts, [`Method::infer_tasks`] says whose adapter writes each of them.
///
/// Training is the inner method's.
pub struct Routed<M: Features> {
    inner: Box<dyn Method<M>>,
    tasks: TaskInference,
}

impl<M: Features> Routed<M> {
    /// Around `inner`, which keeps something for each task ([`Method::for_task`]).
    ///
    /// # Errors
    /// When the settings are out of range.
    pub fn new(inner: Box<dyn Method<M>>, config: &DiscriminantConfig) -> Result<Self, Error> {
        Ok(Self {
            inner,
            tasks: TaskInference::new(config)?,
        })
    }
}

impl<M: Features> Method<M> for Routed<M> {
    fn inner(&self) -> Option<&dyn Method<M>> {
        Some(self.inner.as_ref())
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Method<M>> {
        Some(self.inner.as_mut())
    }

    /// # Errors
    /// Also when the inner method keeps nothing for the task that has just ended.
    fn end_task(
        &mut self,
        learner: Learner<M>,
        data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<Learner<M>, Error> {
        let learner = self.inner.end_task(learner, data, task)?;
        let answering = self.inner.for_evaluation(&learner)?;
        if self.inner.for_task(&answering, task.id)?.is_none() {
            return Err(Error::Data(format!(
                "task {} ({}): the method keeps no adapter for it that an example could be routed \
                 to",
                task.id, task.name
            )));
        }
        self.tasks.end_task(&answering.model, data, task.id)?;
        Ok(learner)
    }

    fn infer_tasks(&self, frozen_features: &dyn Fn() -> Tensor<2>) -> Option<Vec<TaskId>> {
        self.tasks.infer_adapters(self, frozen_features)
    }

    fn answer(
        &self,
        answering: &Learner<M>,
        batch: &M::Batch,
        told: Option<TaskId>,
    ) -> Result<Answer, Error> {
        let inferred = match told {
            Some(_) => None,
            None => self.infer_tasks(&|| answering.model.frozen_features(batch)),
        };
        match inferred {
            Some(tasks) => answer_by_task(self.inner.as_ref(), answering, batch, tasks),
            None => self.inner.answer(answering, batch, told),
        }
    }

    fn stored_bytes(&self) -> usize {
        self.inner.stored_bytes() + self.tasks.num_bytes()
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        self.inner.save(dir)?;
        let mut file = TensorFile::new();
        self.tasks.save("tasks", &mut file);
        Ok(file.save(&dir.join(FILE))?)
    }

    fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        self.inner.load(dir, device)?;
        let file = TensorFile::load(&dir.join(FILE))?;
        let device = device.clone().without_autodiff();
        self.tasks.load("tasks", &file, &device)
    }
}
