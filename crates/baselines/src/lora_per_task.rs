//! One adapter a task, each from its own start: nothing is shared, nothing is forgotten.

use std::path::Path;

use burn::{module::Module, tensor::Device};
use serde::{Deserialize, Serialize};
use treelora_core::{
    Batches, ContinualModel, Error, Learner, Method, Seeds, Task, TaskId, read_json, write_json,
};
use treelora_lora::{AdapterSnapshot, LoraConfig, Selection, attach_bank, detach, select};

use crate::adapter::{adapter_error, attach, attach_to, default_lora, validate};

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
    tasks: Vec<(TaskId, AdapterSnapshot)>,
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
            tasks: Vec::new(),
        })
    }
}

impl<M: ContinualModel> Method<M> for LoraPerTask {
    fn attach(&mut self, model: M) -> Result<Learner<M>, Error> {
        attach(model, &self.config.lora, self.seeds.initialisation())
    }

    fn begin_task(&mut self, learner: Learner<M>, _task: &Task) -> Result<Learner<M>, Error> {
        if self.tasks.is_empty() {
            return Ok(learner);
        }
        let rng = self.seeds.initialisation_for(TaskId(self.tasks.len()));
        learner.try_map_model(|model| attach_to(detach(model), &self.config.lora, rng))
    }

    fn end_task(
        &mut self,
        learner: Learner<M>,
        _data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<Learner<M>, Error> {
        let adapter = AdapterSnapshot::of(&learner.model);
        self.tasks.push((task.id, adapter));
        Ok(learner)
    }

    /// The adapters of all finished tasks, the last one selected.
    fn for_evaluation(&self, learner: &Learner<M>) -> Result<Learner<M>, Error> {
        let answering = learner.valid();
        let Some(last) = self.tasks.len().checked_sub(1) else {
            return Ok(answering);
        };
        let adapters: Vec<AdapterSnapshot> =
            self.tasks.iter().map(|(_, kept)| kept.clone()).collect();
        answering
            .try_map_model(|model| attach_bank(detach(model), &adapters, Selection::One(last)))
            .map_err(adapter_error)
    }

    fn for_task(&self, answering: &Learner<M>, task: TaskId) -> Result<Option<Learner<M>>, Error> {
        let index = self.tasks.iter().position(|(known, _)| *known == task);
        let of_task = |index| {
            let learner = answering.clone();
            learner.map_model(|model| select(model, Selection::One(index)))
        };
        Ok(index.map(of_task))
    }

    fn stored_bytes(&self) -> usize {
        self.tasks.iter().map(|(_, kept)| kept.num_bytes()).sum()
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        for (task, adapter) in &self.tasks {
            adapter
                .save(&dir.join(file(*task)))
                .map_err(adapter_error)?;
        }
        let tasks: Vec<TaskId> = self.tasks.iter().map(|(task, _)| *task).collect();
        write_json(&dir.join(TASKS), &tasks)
    }

    fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        let tasks: Vec<TaskId> = read_json(&dir.join(TASKS))?;
        let read = tasks.into_iter().map(|task| {
            let adapter = AdapterSnapshot::load(&dir.join(file(task)), device);
            Ok((task, adapter.map_err(adapter_error)?))
        });
        self.tasks = read.collect::<Result<_, Error>>()?;
        Ok(())
    }
}

fn file(task: TaskId) -> String {
    format!("lora-per-task-{:04}.safetensors", task.0)
}
