//! Which task an example belongs to: a second network, or a discriminant on frozen features.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use rand::Rng;
use serde::{Deserialize, Serialize};
use treelora_class_incremental::{AlignedHead, TaskInference, features};
use treelora_core::{
    Batches, Classifier, Error, Group, Learner, LearningRates, StepInfo, Task, TaskId, TensorFile,
    read_json, write_json,
};
use treelora_lora::LoraConfig;

use super::config::{HideLoraConfig, SharedLoraConfig, TaskIdentityConfig};
use crate::{adapter::attach_to, flat_parameters::FlatParameters};

const FILE: &str = "hide-identity.safetensors";
const CLASSES: &str = "hide-identity.json";

/// The second network's name in the learner, and the group of its adapter.
const NETWORK: &str = "identity";
const GROUP: Group = Group::of("identity");

/// The part of HiDe that infers the task.
pub(super) enum TaskIdentity {
    Shared(Box<SharedLora>),
    Frozen(TaskInference),
}

/// What belongs to the second network, which is trained in the learner: one slowly learned adapter and an aligned
/// head; the task of the best class.
pub(super) struct SharedLora {
    config: SharedLoraConfig,
    /// Trained parameters of the network.
    parameters: usize,
    head: AlignedHead,
    classes: Vec<ClassOfTask>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct ClassOfTask {
    class: usize,
    task: TaskId,
}

impl TaskIdentity {
    pub(super) fn new(config: &HideLoraConfig) -> Result<Self, Error> {
        Ok(match &config.task_identity {
            TaskIdentityConfig::SharedLora(shared) => Self::Shared(Box::new(SharedLora {
                config: shared.clone(),
                head: AlignedHead::new(config.statistics.clone(), config.alignment.clone()),
                parameters: 0,
                classes: Vec::new(),
            })),
            TaskIdentityConfig::Frozen { discriminant } => {
                Self::Frozen(TaskInference::new(discriminant)?)
            }
        })
    }

    /// The learner with the second network, made of the plain `model`, where there is one.
    pub(super) fn attach<M: Classifier>(
        &mut self,
        learner: Learner<M>,
        model: M,
        lora: &LoraConfig,
        rng: impl Rng,
    ) -> Result<Learner<M>, Error> {
        let Self::Shared(shared) = self else {
            return Ok(learner);
        };
        let network = attach_to(model, lora, rng)?;
        shared.parameters = FlatParameters::of(&network).len();
        Ok(learner.with_network(NETWORK, GROUP, network))
    }

    /// # Errors
    /// When the task shows a class of an earlier one again: its best class would not tell the task.
    pub(super) fn begin_task(&self, task: &Task) -> Result<(), Error> {
        let Self::Shared(shared) = self else {
            return Ok(());
        };
        let known = shared
            .classes
            .iter()
            .find(|known| task.classes.contains(&known.class));
        match known {
            Some(known) => Err(Error::setting(
                "task_identity",
                format!(
                    "class {} belongs to task {} and to task {}: shared-lora infers the task from \
                     the class; choose kind = \"frozen\"",
                    known.class, known.task, task.id
                ),
            )),
            None => Ok(()),
        }
    }

    /// With the rates of the second network.
    pub(super) fn learning_rates(&self, base: LearningRates, step: &StepInfo) -> LearningRates {
        let Self::Shared(shared) = self else {
            return base;
        };
        let slow = match step.task.0 {
            0 => 1.0,
            _ => shared.config.slow_learning,
        };
        base.with(GROUP, shared.config.learning_rate * slow)
            .with(GROUP.head_of(), shared.config.head_learning_rate)
    }

    /// Loss of the second network on a batch of the current task, where there is one.
    pub(super) fn loss<M: Classifier>(
        &self,
        learner: &Learner<M>,
        batch: &M::Batch,
    ) -> Result<Option<Tensor<1>>, Error> {
        match self {
            Self::Shared(_) => Ok(Some(learner.network(NETWORK)?.loss(batch))),
            Self::Frozen(_) => Ok(None),
        }
    }

    pub(super) fn end_task<M: Classifier>(
        &mut self,
        learner: Learner<M>,
        data: &dyn Batches<M::Batch>,
        task: &Task,
        rng: &mut impl Rng,
    ) -> Result<Learner<M>, Error> {
        match self {
            Self::Shared(shared) => {
                let network = learner.network(NETWORK)?.clone();
                let network = shared.end_task(network, data, task, rng)?;
                Ok(learner.with_network(NETWORK, GROUP, network))
            }
            Self::Frozen(inference) => {
                inference.end_task(&learner.model.valid(), data, task.id)?;
                Ok(learner)
            }
        }
    }

    /// The task of each example.
    pub(super) fn infer<M: Classifier>(
        &self,
        answering: &Learner<M>,
        batch: &M::Batch,
    ) -> Result<Vec<TaskId>, Error> {
        match self {
            Self::Shared(shared) => Ok(shared.infer(answering.network(NETWORK)?, batch)),
            Self::Frozen(inference) => Ok(inference.infer(answering.model.frozen_features(batch))),
        }
    }

    pub(super) fn num_bytes(&self) -> usize {
        match self {
            Self::Shared(shared) => shared.parameters * size_of::<f32>() + shared.head.num_bytes(),
            Self::Frozen(inference) => inference.num_bytes(),
        }
    }

    pub(super) fn save(&self, dir: &Path) -> Result<(), Error> {
        let mut file = TensorFile::new();
        match self {
            Self::Frozen(inference) => inference.save("tasks", &mut file),
            Self::Shared(shared) => {
                shared.head.save("head", &mut file);
                write_json(&dir.join(CLASSES), &shared.classes)?;
            }
        }
        Ok(file.save(&dir.join(FILE))?)
    }

    pub(super) fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        let file = TensorFile::load(&dir.join(FILE))?;
        let shared = match self {
            Self::Frozen(inference) => {
                let device = device.clone().without_autodiff();
                return inference.load("tasks", &file, &device);
            }
            Self::Shared(shared) => shared,
        };
        shared.head.load("head", &file)?;
        shared.classes = read_json(&dir.join(CLASSES))?;
        Ok(())
    }
}

impl SharedLora {
    fn end_task<M: Classifier>(
        &mut self,
        network: M,
        data: &dyn Batches<M::Batch>,
        task: &Task,
        rng: &mut impl Rng,
    ) -> Result<M, Error> {
        let rows = features(&network.valid(), data)?;
        self.head.observe(&rows, rng)?;
        let head = self.head.align(network.head().clone(), rng);
        let task_id = task.id;
        self.classes
            .extend(task.classes.iter().map(|&class| ClassOfTask {
                class,
                task: task_id,
            }));
        Ok(network.with_head(head))
    }

    fn infer<M: Classifier>(&self, network: &M, batch: &M::Batch) -> Vec<TaskId> {
        let scores = network.logits(batch);
        let width = scores.dims()[1];
        let scores: Vec<f32> = scores.into_data().iter::<f32>().collect();
        scores
            .chunks_exact(width)
            .map(|row| {
                let first = self.classes[0];
                let best = self.classes.iter().fold(first, |best, candidate| {
                    match row[candidate.class] > row[best.class] {
                        true => *candidate,
                        false => best,
                    }
                });
                best.task
            })
            .collect()
    }
}
