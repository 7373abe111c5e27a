//! Another method's adapters, one a task, chosen for each example.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use treelora_core::{Batch, Batches, Classifier, Error, Method, Task, TaskId, TensorFile};

use crate::{
    delegation::trained_by_inner, discriminant::DiscriminantConfig, routing::group_by_task,
    task_inference::TaskInference,
};

const FILE: &str = "task-inference.safetensors";

/// A method that keeps an adapter a task, answered by that of the task which each example is
/// inferred to belong to: a discriminant on the frozen backbone's features tells the task, and the
/// examples of one task go through the model together. Each example is inferred by itself, so that
/// neither batch size nor mixture matters.
///
/// Training is the inner method's.
pub struct Routed<M: Classifier> {
    inner: Box<dyn Method<M>>,
    tasks: TaskInference,
}

impl<M: Classifier> Routed<M> {
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

    /// The method below.
    pub fn inner(&self) -> &dyn Method<M> {
        self.inner.as_ref()
    }
}

impl<M: Classifier> Method<M> for Routed<M> {
    trained_by_inner!();

    fn attach(&mut self, model: M) -> Result<M, Error> {
        self.inner.attach(model)
    }

    fn begin_task(&mut self, model: M, task: &Task) -> Result<M, Error> {
        self.inner.begin_task(model, task)
    }

    /// # Errors
    /// Also when the inner method keeps nothing for the task that has just ended.
    fn end_task(
        &mut self,
        model: M,
        data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<M, Error> {
        let model = self.inner.end_task(model, data, task)?;
        let answering = self.inner.for_evaluation(&model);
        if self.inner.for_task(&answering, task.id).is_none() {
            return Err(Error::Data(format!(
                "task {} ({}): the method keeps no adapter for it that an example could be routed \
                 to",
                task.id, task.name
            )));
        }
        self.tasks.end_task(&answering, data, task.id)?;
        Ok(model)
    }

    fn predict(&self, model: &M, batch: &M::Batch) -> Tensor<2> {
        match self.infer_tasks(model, batch) {
            None => self.inner.predict(model, batch),
            Some(tasks) => group_by_task(&tasks).scatter(|task, positions| {
                self.predict_with_task(model, &batch.select(positions), task)
            }),
        }
    }

    fn for_task(&self, model: &M, task: TaskId) -> Option<M> {
        self.inner.for_task(model, task)
    }

    fn predict_with_task(&self, model: &M, batch: &M::Batch, task: TaskId) -> Tensor<2> {
        self.inner.predict_with_task(model, batch, task)
    }

    fn infer_tasks(&self, model: &M, batch: &M::Batch) -> Option<Vec<TaskId>> {
        (self.tasks.num_tasks() > 0).then(|| self.tasks.infer(model.frozen_features(batch)))
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
