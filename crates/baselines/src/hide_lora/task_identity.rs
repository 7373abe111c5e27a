//! Which task an example belongs to: a second network, or a discriminant on frozen features.

use std::path::Path;

use burn::{
    optim::{AdamConfig, GradientsParams, ModuleOptimizer},
    tensor::Device,
};
use rand::Rng;
use serde::{Deserialize, Serialize};
use treelora_class_incremental::{AlignedHead, TaskInference, features};
use treelora_core::{
    Batches, Classifier, Error, StepInfo, Task, TaskId, TensorFile, load_optimizer, read_json,
    save_optimizer, write_json,
};
use treelora_lora::{LoraConfig, adapter_parameters};

use super::config::{HideLoraConfig, SharedLoraConfig, TaskIdentityConfig};
use crate::{adapter::attach, flat_parameters::FlatParameters};

const FILE: &str = "hide-identity.safetensors";
const CLASSES: &str = "hide-identity.json";
const OPTIMIZER: &str = "hide-identity-optimizer.bpk";

/// The part of HiDe that infers the task.
pub(super) enum TaskIdentity<M: Classifier> {
    Shared(Box<SharedLora<M>>),
    Frozen(TaskInference),
}

/// One slowly learned adapter and an aligned head; the task of the best class.
pub(super) struct SharedLora<M: Classifier> {
    config: SharedLoraConfig,
    network: Option<M>,
    parameters: FlatParameters,
    optimizer: ModuleOptimizer,
    head: AlignedHead,
    classes: Vec<ClassOfTask>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct ClassOfTask {
    class: usize,
    task: TaskId,
}

impl<M: Classifier> TaskIdentity<M> {
    pub(super) fn new(config: &HideLoraConfig) -> Result<Self, Error> {
        Ok(match &config.task_identity {
            TaskIdentityConfig::SharedLora(shared) => Self::Shared(Box::new(SharedLora {
                config: shared.clone(),
                head: AlignedHead::new(config.statistics.clone(), config.alignment.clone()),
                network: None,
                parameters: FlatParameters::default(),
                optimizer: adam(),
                classes: Vec::new(),
            })),
            TaskIdentityConfig::Frozen { discriminant } => {
                Self::Frozen(TaskInference::new(discriminant)?)
            }
        })
    }

    pub(super) fn attach(&mut self, model: &M, lora: &LoraConfig, seed: u64) -> Result<(), Error> {
        if let Self::Shared(shared) = self {
            let network = attach(model.clone(), lora, seed)?;
            shared.parameters = FlatParameters::of(&network);
            shared.network = Some(network);
        }
        Ok(())
    }

    /// # Errors
    /// When the task shows a class of an earlier one again: its best class would not tell the task.
    pub(super) fn begin_task(&mut self, task: &Task) -> Result<(), Error> {
        let Self::Shared(shared) = self else {
            return Ok(());
        };
        shared.optimizer = adam();
        let known = shared
            .classes
            .iter()
            .find(|known| task.classes.contains(&known.class));
        match known {
            Some(known) => Err(Error::setting(
                "method.task_identity",
                format!(
                    "class {} belongs to task {} and to task {}: shared-lora infers the task from \
                     the class; choose kind = \"frozen\"",
                    known.class, known.task, task.id
                ),
            )),
            None => Ok(()),
        }
    }

    /// One step of the network on a batch of the current task.
    pub(super) fn train(&mut self, batch: &M::Batch, step: &StepInfo) {
        if let Self::Shared(shared) = self {
            shared.train(batch, step);
        }
    }

    pub(super) fn end_task(
        &mut self,
        model: &M,
        data: &dyn Batches<M::Batch>,
        task: &Task,
        rng: &mut impl Rng,
    ) -> Result<(), Error> {
        match self {
            Self::Shared(shared) => shared.end_task(data, task, rng),
            Self::Frozen(inference) => inference.end_task(&model.valid(), data, task.id),
        }
    }

    /// The task of each example.
    pub(super) fn infer(&self, model: &M, batch: &M::Batch) -> Vec<TaskId> {
        match self {
            Self::Shared(shared) => shared.infer(batch),
            Self::Frozen(inference) => inference.infer(model.frozen_features(batch)),
        }
    }

    pub(super) fn num_bytes(&self) -> usize {
        match self {
            Self::Shared(shared) => {
                shared.parameters.len() * size_of::<f32>() + shared.head.num_bytes()
            }
            Self::Frozen(inference) => inference.num_bytes(),
        }
    }

    pub(super) fn save(&self, dir: &Path) -> Result<(), Error> {
        let mut file = TensorFile::new();
        match self {
            Self::Frozen(inference) => inference.save("tasks", &mut file),
            Self::Shared(shared) => {
                shared.save_network(&mut file);
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
        shared.load_network(&file)?;
        shared.head.load("head", &file)?;
        shared.classes = read_json(&dir.join(CLASSES))?;
        Ok(())
    }

    /// The second network learns beside the first; a discriminant only at the end of a task.
    pub(super) fn save_progress(&self, dir: &Path) -> Result<(), Error> {
        let Self::Shared(shared) = self else {
            return Ok(());
        };
        let mut file = TensorFile::new();
        shared.save_network(&mut file);
        file.save(&dir.join(FILE))?;
        save_optimizer(&shared.optimizer, &dir.join(OPTIMIZER))
    }

    pub(super) fn load_progress(&mut self, dir: &Path) -> Result<(), Error> {
        let Self::Shared(shared) = self else {
            return Ok(());
        };
        shared.load_network(&TensorFile::load(&dir.join(FILE))?)?;
        if let Some(network) = &shared.network {
            shared.optimizer = load_optimizer(adam(), network, &dir.join(OPTIMIZER))?;
        }
        Ok(())
    }
}

impl<M: Classifier> SharedLora<M> {
    fn save_network(&self, file: &mut TensorFile) {
        if let Some(network) = &self.network {
            let values = self.parameters.values(network).inner();
            self.parameters.save(&values, "network", file);
        }
    }

    fn load_network(&mut self, file: &TensorFile) -> Result<(), Error> {
        let values = self.parameters.load("network", file)?;
        let network = self.network.take();
        self.network = network.map(|network| self.parameters.write(network, values));
        Ok(())
    }

    fn train(&mut self, batch: &M::Batch, step: &StepInfo) {
        let network = self.network.take().expect("attach comes before training");
        let gradients = network.loss(batch).backward();
        let mut rest = GradientsParams::from_grads(gradients, &network);
        let mut adapter = GradientsParams::new();
        for id in adapter_parameters(&network) {
            if let Some(gradient) = rest.remove::<2>(id) {
                adapter.register(id, gradient);
            }
        }
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * step.progress()).cos());
        let slow = match step.task.0 {
            0 => 1.0,
            _ => self.config.slow_learning,
        };
        let rate = self.config.learning_rate * slow * cosine;
        let network = self.optimizer.step(rate, network, adapter);
        let rate = self.config.head_learning_rate * cosine;
        self.network = Some(self.optimizer.step(rate, network, rest));
    }

    fn end_task(
        &mut self,
        data: &dyn Batches<M::Batch>,
        task: &Task,
        rng: &mut impl Rng,
    ) -> Result<(), Error> {
        let network = self.network.take().expect("attach comes before training");
        let rows = features(&network.valid(), data)?;
        self.head.observe(&rows, rng)?;
        let head = self.head.align(network.head().clone(), rng);
        self.network = Some(network.with_head(head));
        let task_id = task.id;
        self.classes
            .extend(task.classes.iter().map(|&class| ClassOfTask {
                class,
                task: task_id,
            }));
        Ok(())
    }

    fn infer(&self, batch: &M::Batch) -> Vec<TaskId> {
        let network = self
            .network
            .as_ref()
            .expect("attach comes before inference")
            .valid();
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

fn adam() -> ModuleOptimizer {
    AdamConfig::new().with_epsilon(1e-8).init()
}
