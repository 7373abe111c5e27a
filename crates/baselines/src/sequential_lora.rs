//! One adapter, trained on one task after the other.

use serde::{Deserialize, Serialize};
use treelora_core::{
    ContinualModel, Error, Group, Learner, LearningRates, Method, Seeds, StepInfo,
};
use treelora_lora::LoraConfig;

use crate::adapter::{attach, default_lora, not_negative, validate};

/// Settings of [`SequentialLora`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SequentialLoraConfig {
    /// Where adapters go, their rank and scale.
    pub lora: LoraConfig,
    /// Factor on the adapter's learning rate from the second task on. 1 is plain sequential
    /// fine-tuning, 0.1 slow learning (SLCA), 0 adapts to the first task alone.
    pub slow_learning: f64,
}

impl Default for SequentialLoraConfig {
    fn default() -> Self {
        Self {
            lora: default_lora(),
            slow_learning: 1.0,
        }
    }
}

impl SequentialLoraConfig {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        validate(&self.lora)?;
        not_negative("slow_learning", self.slow_learning)
    }
}

/// Sequential fine-tuning of one adapter, with nothing against forgetting but, on request, a slow
/// learning rate.
#[derive(Clone, Debug)]
pub struct SequentialLora {
    config: SequentialLoraConfig,
    seeds: Seeds,
}

impl SequentialLora {
    /// With `seed` for the adapter's initial values.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(config: SequentialLoraConfig, seed: u64) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self {
            config,
            seeds: Seeds::new(seed),
        })
    }
}

impl<M: ContinualModel> Method<M> for SequentialLora {
    fn attach(&mut self, model: M) -> Result<Learner<M>, Error> {
        attach(model, &self.config.lora, self.seeds.initialisation())
    }

    fn learning_rates(&self, base: LearningRates, step: &StepInfo) -> LearningRates {
        match step.task.0 {
            0 => base,
            _ => {
                let slow = base.of(&Group::ADAPTER) * self.config.slow_learning;
                base.with(Group::ADAPTER, slow)
            }
        }
    }
}
