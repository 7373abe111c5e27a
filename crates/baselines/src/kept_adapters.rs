//! The adapters of the finished tasks, one a task, and how they answer.

use std::path::{Path, PathBuf};

use burn::{module::Module, tensor::Device};
use treelora_core::{ContinualModel, Error, Learner, TaskId};
use treelora_lora::{AdapterSnapshot, Selection, attach_bank, detach, select};

use crate::adapter::adapter_error;

/// Adapters in the order of their tasks; `name` begins the names of their files.
#[derive(Debug)]
pub(crate) struct KeptAdapters {
    name: &'static str,
    kept: Vec<(TaskId, AdapterSnapshot)>,
}

impl KeptAdapters {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            kept: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, task: TaskId, adapter: AdapterSnapshot) {
        self.kept.push((task, adapter));
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(crate) fn tasks(&self) -> impl Iterator<Item = TaskId> {
        self.kept.iter().map(|(task, _)| *task)
    }

    pub(crate) fn adapters(&self) -> impl Iterator<Item = &AdapterSnapshot> {
        self.kept.iter().map(|(_, adapter)| adapter)
    }

    pub(crate) fn num_bytes(&self) -> usize {
        self.adapters().map(AdapterSnapshot::num_bytes).sum()
    }

    /// The learner with all adapters, the last one selected; as it is before the first.
    ///
    /// # Errors
    /// When they do not fit the model.
    pub(crate) fn for_evaluation<M: ContinualModel>(
        &self,
        learner: &Learner<M>,
    ) -> Result<Learner<M>, Error> {
        let answering = learner.valid();
        let Some(last) = self.len().checked_sub(1) else {
            return Ok(answering);
        };
        let adapters: Vec<AdapterSnapshot> = self.adapters().cloned().collect();
        answering
            .try_map_model(|model| attach_bank(detach(model), &adapters, Selection::One(last)))
            .map_err(adapter_error)
    }

    /// What [`for_evaluation`](Self::for_evaluation) gave, with the adapter of `task` selected; `None` for a task that
    /// was not learned.
    pub(crate) fn for_task<M: ContinualModel>(
        &self,
        answering: &Learner<M>,
        task: TaskId,
    ) -> Option<Learner<M>> {
        let index = self.tasks().position(|known| known == task)?;
        let learner = answering.clone();
        Some(learner.map_model(|model| select(model, Selection::One(index))))
    }

    /// Write a file an adapter; which tasks there are is the method's to write.
    ///
    /// # Errors
    /// When writing fails.
    pub(crate) fn save(&self, dir: &Path) -> Result<(), Error> {
        self.kept.iter().try_for_each(|(task, adapter)| {
            adapter.save(&self.file(dir, *task)).map_err(adapter_error)
        })
    }

    /// Read what [`save`](Self::save) wrote of `tasks`.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub(crate) fn load(
        &mut self,
        dir: &Path,
        tasks: impl IntoIterator<Item = TaskId>,
        device: &Device,
    ) -> Result<(), Error> {
        let read = tasks.into_iter().map(|task| {
            let adapter = AdapterSnapshot::load(&self.file(dir, task), device);
            Ok((task, adapter.map_err(adapter_error)?))
        });
        self.kept = read.collect::<Result<_, Error>>()?;
        Ok(())
    }

    fn file(&self, dir: &Path, task: TaskId) -> PathBuf {
        dir.join(format!("{}-{:04}.safetensors", self.name, task.0))
    }
}
