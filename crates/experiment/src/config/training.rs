//! Optimiser, schedule, batch sizes and seed of a run.

use burn::{
    grad_clipping::GradientClippingConfig,
    optim::{AdamConfig, AdamWConfig, ModuleOptimizer, SgdConfig},
    tensor::Device,
};
use serde::{Deserialize, Serialize};
use treelora_core::{Error, LearningRates, Seeds, StepInfo, TaskId};

/// Settings of the training loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingConfig {
    /// Passes over the data of each task.
    #[serde(default = "default_epochs")]
    pub epochs: usize,
    /// Passes for each task, overriding `epochs`; one entry a task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub epochs_per_task: Vec<usize>,
    /// Training examples a batch.
    #[serde(default = "default_batch_size")]
    pub batch_size: usize,
    /// Batches a step: the optimiser takes the mean of their gradients.
    #[serde(default = "default_accumulation")]
    pub accumulation: usize,
    /// Test examples a batch; has no influence on results.
    #[serde(default = "default_evaluation_batch_size")]
    pub evaluation_batch_size: usize,
    /// The optimiser; re-created for each task.
    #[serde(default)]
    pub optimizer: Optimizer,
    /// Learning rate of the adapters.
    #[serde(default = "default_learning_rate")]
    pub learning_rate: f64,
    /// Learning rate of the head.
    #[serde(default = "default_head_learning_rate")]
    pub head_learning_rate: f64,
    /// How the learning rates change within a task.
    #[serde(default)]
    pub schedule: Schedule,
    /// Share of a task's steps over which the learning rates first rise linearly from 0, in
    /// `[0, 1)`; the schedule runs over the whole task all the same.
    #[serde(default)]
    pub warm_up: f64,
    /// Largest norm of a parameter's gradient; no clipping when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_clip: Option<f32>,
    /// Whether the backward finds the activations of the forward or computes them again.
    #[serde(default)]
    pub activations: Activations,
    /// Seconds between checkpoints within a task, 0 for one after each step; has no influence on
    /// results.
    #[serde(default = "default_checkpoint_seconds")]
    pub checkpoint_seconds: f64,
    /// Seed of everything random in the run.
    #[serde(default)]
    pub seed: u64,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            epochs: default_epochs(),
            epochs_per_task: Vec::new(),
            batch_size: default_batch_size(),
            accumulation: default_accumulation(),
            evaluation_batch_size: default_evaluation_batch_size(),
            optimizer: Optimizer::default(),
            learning_rate: default_learning_rate(),
            head_learning_rate: default_head_learning_rate(),
            schedule: Schedule::default(),
            warm_up: 0.0,
            gradient_clip: None,
            activations: Activations::default(),
            checkpoint_seconds: default_checkpoint_seconds(),
            seed: 0,
        }
    }
}

fn default_epochs() -> usize {
    5
}
fn default_batch_size() -> usize {
    32
}
fn default_accumulation() -> usize {
    1
}
fn default_evaluation_batch_size() -> usize {
    64
}
fn default_learning_rate() -> f64 {
    2e-3
}
fn default_head_learning_rate() -> f64 {
    5e-3
}
fn default_checkpoint_seconds() -> f64 {
    60.0
}

/// The optimiser.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Optimizer {
    /// Adam (0.9, 0.999, epsilon 1e-8), as PyTorch's defaults.
    #[default]
    Adam,
    /// AdamW (0.9, 0.999, epsilon 1e-8).
    #[serde(rename = "adamw")]
    AdamW {
        /// Decoupled weight decay.
        weight_decay: f64,
    },
    /// Stochastic gradient descent.
    Sgd,
}

/// Factor on the learning rates within a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Always 1.
    Constant,
    /// Half a cosine from 1 to 0 over the task.
    #[default]
    Cosine,
    /// A line from 1 to 0 over the task.
    Linear,
}

/// What happens to the activations between forward and backward: activation (or gradient) checkpointing, as burn has it.
///
/// Results are equal in either. Burn computes again what is cheap (element-wise operations) and keeps what products and
/// attention need. The fused kernels of the CPU, which are the default there, keep their inputs in any case, and a frozen
/// projection without an adapter keeps none: on the CPU there is little left to save. It is meant for the backends that
/// run plain operations, and for the CPU without its kernels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activations {
    /// Kept until the backward has used them.
    #[default]
    Kept,
    /// Computed again where that is cheap.
    Recomputed,
}

impl Activations {
    /// The training device that treats activations so.
    pub fn on(self, device: &Device) -> Device {
        let device = device.clone().autodiff();
        match self {
            Self::Kept => device,
            Self::Recomputed => device.gradient_checkpointing(),
        }
    }
}

impl Schedule {
    /// The factor at a step.
    pub fn factor(self, step: &StepInfo) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Linear => 1.0 - step.progress(),
            Self::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * step.progress()).cos()),
        }
    }
}

impl TrainingConfig {
    /// Check the settings on their own.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key of this table.
    pub fn validate(&self) -> Result<(), Error> {
        let positive = |key: &str, value: f64| match value > 0.0 && value.is_finite() {
            true => Ok(()),
            false => Err(Error::setting(key, format!("{value} is not above 0"))),
        };
        positive("batch_size", self.batch_size as f64)?;
        positive("accumulation", self.accumulation as f64)?;
        if !(0.0..1.0).contains(&self.warm_up) {
            return Err(Error::setting(
                "warm_up",
                format!("{} is not in [0, 1)", self.warm_up),
            ));
        }
        if !(self.checkpoint_seconds >= 0.0 && self.checkpoint_seconds.is_finite()) {
            return Err(Error::setting(
                "checkpoint_seconds",
                format!("{} is below 0", self.checkpoint_seconds),
            ));
        }
        positive("evaluation_batch_size", self.evaluation_batch_size as f64)?;
        positive("learning_rate", self.learning_rate)?;
        positive("head_learning_rate", self.head_learning_rate)?;
        positive("epochs", self.epochs as f64)
    }

    /// Check the settings against a stream of `tasks` tasks.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key of this table.
    pub fn validate_for(&self, tasks: usize) -> Result<(), Error> {
        if !self.epochs_per_task.is_empty() && self.epochs_per_task.len() != tasks {
            return Err(Error::setting(
                "epochs_per_task",
                format!(
                    "{} entries for a stream of {tasks} tasks",
                    self.epochs_per_task.len()
                ),
            ));
        }
        Ok(())
    }

    /// Epochs of a task.
    pub fn epochs_of(&self, task: TaskId) -> usize {
        self.epochs_per_task
            .get(task.0)
            .copied()
            .unwrap_or(self.epochs)
    }

    /// Factor on the learning rates at a step: warm-up times schedule.
    pub fn factor(&self, step: &StepInfo) -> f64 {
        let warm_up = self.warm_up * (step.epochs * step.steps) as f64;
        let risen = match warm_up > 0.0 {
            true => ((step.step_in_task() + 1) as f64 / warm_up).min(1.0),
            false => 1.0,
        };
        risen * self.schedule.factor(step)
    }

    /// Learning rates before the schedule.
    pub fn learning_rates(&self) -> LearningRates {
        LearningRates::new(self.learning_rate, self.head_learning_rate)
    }

    /// What everything random in the run derives from.
    pub fn seeds(&self) -> Seeds {
        Seeds::new(self.seed)
    }

    /// A fresh optimiser.
    pub fn optimizer(&self) -> ModuleOptimizer {
        let clip = self.gradient_clip.map(GradientClippingConfig::Norm);
        let optimizer: ModuleOptimizer = match &self.optimizer {
            Optimizer::Adam => AdamConfig::new().with_epsilon(1e-8).init(),
            Optimizer::AdamW { weight_decay } => AdamWConfig::new()
                .with_epsilon(1e-8)
                .with_weight_decay(*weight_decay as f32)
                .init(),
            Optimizer::Sgd => SgdConfig::new().init(),
        };
        match clip {
            Some(clip) => optimizer.with_grad_clipping(clip.init()),
            None => optimizer,
        }
    }
}
