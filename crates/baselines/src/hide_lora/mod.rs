//! HiDe-LoRA (Wang et al., hierarchical decomposition): infer the task, answer with its adapter,
//! re-balance the head.

mod config;

mod contrast;

mod task_identity;

use std::path::Path;

use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use treelora_class_incremental::{AlignedHead, features, group_by_task};
use treelora_core::{
    Batch, Batches, Classifier, Error, Method, StepInfo, Task, TaskId, TensorFile, read_json,
    write_json,
};
use treelora_lora::{AdapterLayer, AdapterSnapshot, Selection, attach_bank, detach, select};

use crate::adapter::{adapter_error, attach};

pub use config::{HideLoraConfig, SharedLoraConfig, TaskIdentityConfig};
use contrast::{Prototypes, contrastive_loss};
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
/// task. Here it takes its steps on the same batches, in the same loop: the two share no
/// parameter, so the order of their steps changes nothing.
pub struct HideLora<M: Classifier> {
    config: HideLoraConfig,
    seed: u64,
    identity: TaskIdentity<M>,
    head: AlignedHead,
    /// Means of the finished classes, for the contrastive term.
    prototypes: Option<Prototypes>,
    tasks: Vec<(Task, AdapterSnapshot)>,
}

impl<M: Classifier> HideLora<M> {
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
            config,
            seed,
        })
    }

    /// A generator for what happens after task `task`, the same in a resumed run.
    fn rng(&self, task: TaskId, purpose: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(1 + 4 * task.0 as u64 + purpose);
        rng
    }

    /// Those of all finished classes, where the contrastive term needs them.
    fn set_prototypes(&mut self, device: &Device) {
        let means = match self.config.contrast {
            0.0 => None,
            _ => self.head.means(device),
        };
        self.prototypes = means.map(|means| Prototypes::new(means, self.config.temperature));
    }

    /// `theta_t <- (1 - m) theta_t + m mean(theta_1..theta_t-1)`, A and B each on its own.
    fn merged(&self, model: &M) -> AdapterSnapshot {
        let own = AdapterSnapshot::of(model);
        let momentum = self.config.momentum;
        if self.tasks.is_empty() || momentum == 0.0 {
            return own;
        }
        let mean = |layer: usize, factor: fn(&AdapterLayer) -> &Tensor<2>| {
            let factors = self
                .tasks
                .iter()
                .map(|(_, old)| factor(&old.layers()[layer]).clone());
            let sum = factors.reduce(|left, right| left + right);
            sum.expect("an earlier task") / self.tasks.len() as f64
        };
        let mix =
            |own: &Tensor<2>, mean: Tensor<2>| own.clone() * (1.0 - momentum) + mean * momentum;
        let layers = own
            .layers()
            .iter()
            .enumerate()
            .map(|(i, layer)| AdapterLayer {
                path: layer.path.clone(),
                a: mix(&layer.a, mean(i, |old| &old.a)),
                b: mix(&layer.b, mean(i, |old| &old.b)),
                scale: layer.scale,
            });
        AdapterSnapshot::from_layers(layers.collect())
    }
}

impl<M: Classifier> Method<M> for HideLora<M> {
    fn attach(&mut self, model: M) -> Result<M, Error> {
        self.identity
            .attach(&model, &self.config.lora, self.seed.wrapping_add(1))?;
        attach(model, &self.config.lora, self.seed)
    }

    fn begin_task(&mut self, model: M, task: &Task) -> Result<M, Error> {
        self.identity.begin_task(task)?;
        Ok(model)
    }

    fn objective(&mut self, model: &M, batch: &M::Batch, step: &StepInfo) -> Tensor<1> {
        self.identity.train(batch, step);
        let features = model.features(batch);
        let loss = model.loss_of_features(features.clone(), batch);
        if self.config.contrast == 0.0 {
            return loss;
        }
        let contrast =
            contrastive_loss(features, self.prototypes.as_ref(), self.config.temperature);
        loss + contrast * self.config.contrast
    }

    fn end_task(
        &mut self,
        model: M,
        data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<M, Error> {
        let adapter = self.merged(&model);
        let model = adapter.apply(model).map_err(adapter_error)?;
        let rows = features(&model.valid(), data)?;
        let (mut clustering, mut sampling) = (self.rng(task.id, 0), self.rng(task.id, 1));
        self.head.observe(&rows, &mut clustering)?;
        let head = self.head.align(model.head().clone(), &mut sampling);
        let model = model.with_head(head);
        let device = model.head().weight.lazy_device().without_autodiff();
        self.set_prototypes(&device);
        self.tasks.push((task.clone(), adapter));
        let mut rng = self.rng(task.id, 2);
        self.identity.end_task(&model, data, task, &mut rng)?;
        Ok(model)
    }

    /// The model with the adapters of all finished tasks, the last one selected.
    fn for_evaluation(&self, model: &M) -> M {
        let answering = model.valid();
        let Some(last) = self.tasks.len().checked_sub(1) else {
            return answering;
        };
        let adapters: Vec<AdapterSnapshot> = self
            .tasks
            .iter()
            .map(|(_, adapter)| adapter.clone())
            .collect();
        attach_bank(detach(answering), &adapters, Selection::One(last))
            .expect("the adapters were trained on this model")
    }

    fn predict(&self, model: &M, batch: &M::Batch) -> Tensor<2> {
        match self.infer_tasks(model, batch) {
            None => model.logits(batch),
            Some(tasks) => group_by_task(&tasks).scatter(|task, positions| {
                self.predict_with_task(model, &batch.select(positions), task)
            }),
        }
    }

    fn for_task(&self, model: &M, task: TaskId) -> Option<M> {
        let index = self.tasks.iter().position(|(known, _)| known.id == task)?;
        Some(select(model.clone(), Selection::One(index)))
    }

    fn predict_with_task(&self, model: &M, batch: &M::Batch, task: TaskId) -> Tensor<2> {
        match self.for_task(model, task) {
            Some(of_task) => of_task.logits(batch),
            None => model.logits(batch),
        }
    }

    fn infer_tasks(&self, model: &M, batch: &M::Batch) -> Option<Vec<TaskId>> {
        (!self.tasks.is_empty()).then(|| self.identity.infer(model, batch))
    }

    fn stored_bytes(&self) -> usize {
        let adapters: usize = self
            .tasks
            .iter()
            .map(|(_, adapter)| adapter.num_bytes())
            .sum();
        adapters + self.head.num_bytes() + self.identity.num_bytes()
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        for (task, adapter) in &self.tasks {
            adapter
                .save(&dir.join(adapter_file(task.id)))
                .map_err(adapter_error)?;
        }
        let mut file = TensorFile::new();
        self.head.save("head", &mut file);
        file.save(&dir.join(STATISTICS))?;
        self.identity.save(dir)?;
        let tasks: Vec<&Task> = self.tasks.iter().map(|(task, _)| task).collect();
        write_json(&dir.join(TASKS), &tasks)
    }

    fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        let tasks: Vec<Task> = read_json(&dir.join(TASKS))?;
        self.tasks.clear();
        for task in tasks {
            let adapter = AdapterSnapshot::load(&dir.join(adapter_file(task.id)), device)
                .map_err(adapter_error)?;
            self.tasks.push((task, adapter));
        }
        let file = TensorFile::load(&dir.join(STATISTICS))?;
        self.head.load("head", &file)?;
        self.set_prototypes(&device.clone().without_autodiff());
        self.identity.load(dir, device)
    }

    fn save_progress(&self, dir: &Path) -> Result<(), Error> {
        self.identity.save_progress(dir)
    }

    fn load_progress(&mut self, dir: &Path, _device: &Device) -> Result<(), Error> {
        self.identity.load_progress(dir)
    }
}

fn adapter_file(task: TaskId) -> String {
    format!("hide-adapter-{:04}.safetensors", task.0)
}
