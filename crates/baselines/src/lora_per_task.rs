//! One adapter a task, each from its own start: nothing is shared, nothing is forgotten.

use std::path::Path;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use treelora_core::{
    Batches, ContinualModel, Error, Learner, Method, Seeds, Task, TaskId, read_json, write_json,
};
use treelora_lora::{AdapterSnapshot, LoraConfig, detach};

use crate::{
    adapter::{attach, attach_to, default_lora, validate},
    kept_adapters::KeptAdapters,
};

const TASKS: &str = "lora-per-task.json";

/// Settings of [`LoraPerTask`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoraPerTaskConfig {
    /// Where adapters go, their rank and scale; one a task.
    pub lora: LoraConfig,
}

impl Default for LoraPerTaskConfig {
    fn default() -> Self {
        Self {
            lora: default_lora(),
        }
    }
}

impl LoraPerTaskConfig {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        validate(&self.lora)
    }
}

/// A fresh adapter for every task, all of them kept: what routing can reach when the task of each example is inferred
/// (`inference = "routed"`) or told (`"oracle"`). By itself the newest adapter answers.
#[derive(Debug)]
pub struct LoraPerTask {
    config: LoraPerTaskConfig,
    seeds: Seeds,
    adapters: KeptAdapters,
}

impl LoraPerTask {
    /// With `seed` for the adapters' initial values.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(config: LoraPerTaskConfig, seed: u64) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self {
            config,
            seeds: Seeds::new(seed),
            adapters: KeptAdapters::new("lora-per-task"),
        })
    }
}

impl<M: ContinualModel> Method<M> for LoraPerTask {
    fn attach(&mut self, model: M) -> Result<Learner<M>, Error> {
        attach(model, &self.config.lora, self.seeds.initialisation())
    }

    fn begin_task(
        &mut self,
        learner: Learner<M>,
        _data: &dyn Batches<M::Batch>,
        _task: &Task,
    ) -> Result<Learner<M>, Error> {
        if self.adapters.is_empty() {
            return Ok(learner);
        }
        let rng = self.seeds.initialisation_for(TaskId(self.adapters.len()));
        learner.try_map_model(|model| attach_to(detach(model), &self.config.lora, rng))
    }

    fn end_task(
        &mut self,
        learner: Learner<M>,
        _data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<Learner<M>, Error> {
        let adapter = AdapterSnapshot::of(&learner.model);
        self.adapters.push(task.id, adapter);
        Ok(learner)
    }

    fn for_evaluation(&self, learner: &Learner<M>) -> Result<Learner<M>, Error> {
        self.adapters.for_evaluation(learner)
    }

    fn for_task(&self, answering: &Learner<M>, task: TaskId) -> Result<Option<Learner<M>>, Error> {
        Ok(self.adapters.for_task(answering, task))
    }

    fn stored_bytes(&self) -> usize {
        self.adapters.num_bytes()
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        self.adapters.save(dir)?;
        let tasks: Vec<TaskId> = self.adapters.tasks().collect();
        write_json(&dir.join(TASKS), &tasks)
    }

    fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        let tasks: Vec<TaskId> = read_json(&dir.join(TASKS))?;
        self.adapters.load(dir, tasks, device)
    }
}
