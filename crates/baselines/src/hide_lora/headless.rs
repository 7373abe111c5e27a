//! What is left of HiDe-LoRA where there is no classification head: text.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use treelora_class_incremental::{TaskInference, answer_by_task};
use treelora_core::{
    Answer, Batches, Error, Features, Learner, Method, Seeds, Task, TaskId, TensorFile,
    answer_as_told, read_json, write_json,
};

use super::{
    config::{HideLoraConfig, TaskIdentityConfig},
    mixing::mixed,
};
use crate::{
    adapter::{adapter_error, attach},
    kept_adapters::KeptAdapters,
};

const INFERENCE: &str = "hide-identity.safetensors";
const TASKS: &str = "hide-tasks.json";

/// HiDe-LoRA for a model without a classification head: of its three parts, prediction within a task and inference
/// of the task.
///
/// Task n starts from the adapter of task n-1, which is mixed with the mean of the earlier ones after the task; an example
/// is answered by the adapter of the task that a discriminant on the frozen base's features infers. The third part
/// compares classes, of which there are none here: `statistics` and `alignment` are for the head that it re-balances.
#[derive(Debug)]
pub struct HeadlessHideLora {
    config: HideLoraConfig,
    seeds: Seeds,
    inference: TaskInference,
    tasks: Vec<Task>,
    adapters: KeptAdapters,
}

impl HeadlessHideLora {
    /// With `seed` for the adapter's initial values.
    ///
    /// # Errors
    /// When a setting is out of range, or asks for what needs a head or classes: a contrastive term, a second network
    /// for the task's identity.
    pub fn new(config: HideLoraConfig, seed: u64) -> Result<Self, Error> {
        config.validate()?;
        let inference = match &config.task_identity {
            TaskIdentityConfig::Frozen { discriminant } => TaskInference::new(discriminant)?,
            TaskIdentityConfig::SharedLora(_) => {
                let problem = "\"shared-lora\" of `hide-lora` needs a classification head, which this model does not \
                               have; choose kind = \"frozen\" with a discriminant";
                return Err(Error::setting("task_identity.kind", problem));
            }
        };
        if config.contrast != 0.0 {
            let problem = format!(
                "{} weighs a term over prototypes of classes, which this model does not have; set it to 0",
                config.contrast
            );
            return Err(Error::setting("contrast", problem));
        }
        Ok(Self {
            inference,
            tasks: Vec::new(),
            adapters: KeptAdapters::new("hide-adapter"),
            config,
            seeds: Seeds::new(seed),
        })
    }
}

impl<M: Features> Method<M> for HeadlessHideLora {
    fn attach(&mut self, model: M) -> Result<Learner<M>, Error> {
        attach(model, &self.config.lora, self.seeds.initialisation())
    }

    fn end_task(
        &mut self,
        learner: Learner<M>,
        data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<Learner<M>, Error> {
        let adapter = mixed(&learner.model, &self.adapters, self.config.momentum);
        let learner = learner
            .try_map_model(|model| adapter.apply(model))
            .map_err(adapter_error)?;
        self.inference
            .end_task(&learner.model.valid(), data, task.id)?;
        self.tasks.push(task.clone());
        self.adapters.push(task.id, adapter);
        Ok(learner)
    }

    fn for_evaluation(&self, learner: &Learner<M>) -> Result<Learner<M>, Error> {
        self.adapters.for_evaluation(learner)
    }

    fn for_task(&self, answering: &Learner<M>, task: TaskId) -> Result<Option<Learner<M>>, Error> {
        Ok(self.adapters.for_task(answering, task))
    }

    fn infer_tasks(&self, frozen_features: &dyn Fn() -> Tensor<2>) -> Option<Vec<TaskId>> {
        (!self.adapters.is_empty()).then(|| self.inference.infer(frozen_features()))
    }

    fn answer(
        &self,
        answering: &Learner<M>,
        batch: &M::Batch,
        told: Option<TaskId>,
    ) -> Result<Answer, Error> {
        let frozen = || answering.model.frozen_features(batch);
        let inferred = match told {
            Some(_) => None,
            None => Method::<M>::infer_tasks(self, &frozen),
        };
        match inferred {
            Some(tasks) => answer_by_task(self, answering, batch, tasks),
            None => answer_as_told(self, answering, batch, told),
        }
    }

    fn stored_bytes(&self) -> usize {
        self.adapters.num_bytes() + self.inference.num_bytes()
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        self.adapters.save(dir)?;
        let mut file = TensorFile::new();
        self.inference.save("tasks", &mut file);
        file.save(&dir.join(INFERENCE))?;
        write_json(&dir.join(TASKS), &self.tasks)
    }

    fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        self.tasks = read_json(&dir.join(TASKS))?;
        let tasks = self.tasks.iter().map(|task| task.id);
        self.adapters.load(dir, tasks, device)?;
        let file = TensorFile::load(&dir.join(INFERENCE))?;
        let device = device.clone().without_autodiff();
        self.inference.load("tasks", &file, &device)
    }
}
