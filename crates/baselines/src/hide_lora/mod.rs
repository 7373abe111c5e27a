//! HiDe-LoRA (Wang et al., hierarchical decomposition): infer the task, answer with its adapter,
//! re-balance the head.

mod config;

mod contrast;

mod headless;

mod mixing;

mod task_identity;

use std::path::Path;

use burn::tensor::{Device, Tensor};
use treelora_class_incremental::{AlignedHead, answer_by_task, features};
use treelora_core::{
    Answer, Batches, Classifier, Error, Learner, LearningRates, Method, Seeds, StepInfo, Task,
    TaskId, TensorFile, answer_as_told, read_json, write_json,
};

use crate::{
    adapter::{adapter_error, attach},
    kept_adapters::KeptAdapters,
};

pub use config::{HideLoraConfig, SharedLoraConfig, TaskIdentityConfig};
use contrast::{Prototypes, contrastive_loss};
pub use headless::HeadlessHideLora;
use mixing::mixed;
use task_identity::TaskIdentity;

const STATISTICS: &str = "hide-statistics.safetensors";
const TASKS: &str = "hide-tasks.json";

/// One adapter a task, one head over all classes, and a part that tells which task an example
/// belongs to.
///
/// Task n starts from the adapter of task n-1. Its loss is the masked cross-entropy plus a
/// contrastive term that keeps features away from the prototypes of earlier classes. After the
/// task the adapter is mixed with the mean of the earlier ones, statistics of its classes are taken
/// under it, and the head is aligned on features sampled from the statistics of all classes. An
/// example is answered by the adapter of the task it is inferred to belong to; each by itself, so
/// neither batch size nor mixture matters.
///
/// The original trains a second network for the task's identity in a stage of its own before each
/// task. Here it is a part of the [`Learner`] and takes its steps on the same batches, under the same
/// schedule: the two share no parameter, so that the sum of their losses trains each as its own would.
pub struct HideLora {
    config: HideLoraConfig,
    seeds: Seeds,
    identity: TaskIdentity,
    head: AlignedHead,
    /// Means of the finished classes, for the contrastive term.
    prototypes: Option<Prototypes>,
    tasks: Vec<Task>,
    adapters: KeptAdapters,
}

impl HideLora {
    /// With `seed` for adapters, clustering and sampled features.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(config: HideLoraConfig, seed: u64) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self {
            identity: TaskIdentity::new(&config)?,
            head: AlignedHead::new(config.statistics.clone(), config.alignment.clone()),
            prototypes: None,
            tasks: Vec::new(),
            adapters: KeptAdapters::new("hide-adapter"),
            config,
            seeds: Seeds::new(seed),
        })
    }

    /// Those of all finished classes, where the contrastive term needs them.
    fn set_prototypes(&mut self, device: &Device) {
        let means = match self.config.contrast {
            0.0 => None,
            _ => self.head.means(device),
        };
        self.prototypes = means.map(|means| Prototypes::new(means, self.config.temperature));
    }
}

impl<M: Classifier> Method<M> for HideLora {
    fn attach(&mut self, model: M) -> Result<Learner<M>, Error> {
        let identity = model.clone();
        let learner = attach(model, &self.config.lora, self.seeds.initialisation())?;
        let rng = self.seeds.second_network();
        self.identity
            .attach(learner, identity, &self.config.lora, rng)
    }

    fn begin_task(
        &mut self,
        learner: Learner<M>,
        _data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<Learner<M>, Error> {
        self.identity.begin_task(task)?;
        Ok(learner)
    }

    fn learning_rates(&self, base: LearningRates, step: &StepInfo) -> LearningRates {
        self.identity.learning_rates(base, step)
    }

    fn objective(
        &mut self,
        learner: &Learner<M>,
        batch: &M::Batch,
        _step: &StepInfo,
    ) -> Result<Tensor<1>, Error> {
        let identity = self.identity.loss(learner, batch)?;
        let features = learner.model.features(batch);
        let mut loss = learner.model.loss_of_features(features.clone(), batch);
        if self.config.contrast != 0.0 {
            let contrast =
                contrastive_loss(features, self.prototypes.as_ref(), self.config.temperature);
            loss = loss + contrast * self.config.contrast;
        }
        Ok(match identity {
            Some(identity) => loss + identity,
            None => loss,
        })
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
        let rows = features(&learner.model.valid(), data)?;
        let [mut clustering, mut sampling, mut rng] =
            [0, 1, 2].map(|part| self.seeds.end_of_task(task.id, part));
        self.head.observe(&rows, &mut clustering)?;
        let head = self.head.align(learner.model.head().clone(), &mut sampling);
        let learner = learner.map_model(|model| model.with_head(head));
        let device = learner.model.head().weight.lazy_device().without_autodiff();
        self.set_prototypes(&device);
        self.tasks.push(task.clone());
        self.adapters.push(task.id, adapter);
        self.identity.end_task(learner, data, task, &mut rng)
    }

    fn for_evaluation(&self, learner: &Learner<M>) -> Result<Learner<M>, Error> {
        self.adapters.for_evaluation(learner)
    }

    fn for_task(&self, answering: &Learner<M>, task: TaskId) -> Result<Option<Learner<M>>, Error> {
        Ok(self.adapters.for_task(answering, task))
    }

    /// By a discriminant alone: the second network looks at the examples themselves.
    fn infer_tasks(&self, frozen_features: &dyn Fn() -> Tensor<2>) -> Option<Vec<TaskId>> {
        match (&self.identity, self.adapters.is_empty()) {
            (TaskIdentity::Frozen(inference), false) => Some(inference.infer(frozen_features())),
            _ => None,
        }
    }

    fn answer(
        &self,
        answering: &Learner<M>,
        batch: &M::Batch,
        told: Option<TaskId>,
    ) -> Result<Answer, Error> {
        match told {
            None if !self.adapters.is_empty() => {
                let tasks = self.identity.infer(answering, batch)?;
                answer_by_task(self, answering, batch, tasks)
            }
            told => answer_as_told(self, answering, batch, told),
        }
    }

    fn stored_bytes(&self) -> usize {
        self.adapters.num_bytes() + self.head.num_bytes() + self.identity.num_bytes()
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        self.adapters.save(dir)?;
        let mut file = TensorFile::new();
        self.head.save("head", &mut file);
        file.save(&dir.join(STATISTICS))?;
        self.identity.save(dir)?;
        write_json(&dir.join(TASKS), &self.tasks)
    }

    fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        self.tasks = read_json(&dir.join(TASKS))?;
        let tasks = self.tasks.iter().map(|task| task.id);
        self.adapters.load(dir, tasks, device)?;
        let file = TensorFile::load(&dir.join(STATISTICS))?;
        self.head.load("head", &file)?;
        self.set_prototypes(&device.clone().without_autodiff());
        self.identity.load(dir, device)
    }
}
