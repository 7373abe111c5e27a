//! Averaged gradient episodic memory (Chaudhry et al., ICLR 2019).

use std::path::Path;

use burn::{
    optim::GradientsParams,
    tensor::{Device, Tensor},
};
use serde::{Deserialize, Serialize};
use treelora_core::{Batches, ContinualModel, Error, Learner, Method, Seeds, StepInfo, Task};
use treelora_lora::LoraConfig;

use crate::{
    adapter::{attach, default_lora, positive, validate},
    episodic_memory::{EpisodicMemory, gradient},
    flat_parameters::FlatParameters,
};

/// Settings of [`AGem`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AGemConfig {
    /// Where adapters go, their rank and scale.
    pub lora: LoraConfig,
    /// Examples kept of each task.
    pub memory_per_task: usize,
    /// Examples of all past tasks that the reference gradient of a step is taken on.
    pub memory_batch: usize,
}

impl Default for AGemConfig {
    fn default() -> Self {
        Self {
            lora: default_lora(),
            memory_per_task: 100,
            memory_batch: 64,
        }
    }
}

impl AGemConfig {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        validate(&self.lora)?;
        positive("memory_per_task", self.memory_per_task as f64)?;
        positive("memory_batch", self.memory_batch as f64)
    }
}

/// `g - (g.r / |r|^2) r` where the gradient `g` and the gradient `r` on a few examples of all past
/// tasks disagree.
pub struct AGem<M: ContinualModel> {
    config: AGemConfig,
    seeds: Seeds,
    parameters: FlatParameters,
    memory: EpisodicMemory<M::Batch>,
}

impl<M: ContinualModel> AGem<M> {
    /// With `seed` for the adapter's initial values and the choice of examples.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(config: AGemConfig, seed: u64) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self {
            config,
            seeds: Seeds::new(seed),
            parameters: FlatParameters::default(),
            memory: EpisodicMemory::new(),
        })
    }

    /// The gradient on the examples that are drawn for `step`; `None` on the first task.
    ///
    /// # Shapes
    /// `[parameters]`.
    pub fn reference(&self, learner: &Learner<M>, step: &StepInfo) -> Option<Tensor<1>> {
        if self.memory.is_empty() {
            return None;
        }
        let mut rng = self.seeds.replay(step.task, step.step_in_task());
        let drawn = self.memory.draw(self.config.memory_batch, &mut rng);
        Some(gradient(
            learner,
            &self.parameters,
            &drawn,
            self.config.memory_batch,
        ))
    }
}

impl<M: ContinualModel> Method<M> for AGem<M> {
    fn attach(&mut self, model: M) -> Result<Learner<M>, Error> {
        let learner = attach(model, &self.config.lora, self.seeds.initialisation())?;
        self.parameters = FlatParameters::of(&learner);
        Ok(learner)
    }

    fn gradients(
        &mut self,
        learner: &Learner<M>,
        gradients: GradientsParams,
        step: &StepInfo,
    ) -> Result<GradientsParams, Error> {
        let Some(reference) = self.reference(learner, step) else {
            return Ok(gradients);
        };
        let flat = self.parameters.gradients(learner, &gradients);
        let product = (flat.clone() * reference.clone()).sum();
        let norm = reference
            .clone()
            .square()
            .sum()
            .clamp_min(f32::MIN_POSITIVE);
        // Only a negative product counts; decided on the device, so nothing is read back.
        let harm = product.clamp_max(0.0) / norm;
        let flat = flat - reference * harm;
        Ok(self.parameters.write_gradients(learner, flat, gradients))
    }

    fn end_task(
        &mut self,
        learner: Learner<M>,
        data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<Learner<M>, Error> {
        self.memory
            .store(task.id, data, self.config.memory_per_task, self.seeds)?;
        Ok(learner)
    }

    fn stored_bytes(&self) -> usize {
        self.memory.num_bytes()
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        self.memory.save(dir)
    }

    fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        self.memory = EpisodicMemory::load(dir, device)?;
        Ok(())
    }
}
