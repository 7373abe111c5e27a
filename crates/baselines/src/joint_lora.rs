//! All tasks at once.

use serde::{Deserialize, Serialize};
use treelora_core::{ContinualModel, Error, Exposure, Learner, Method, Seeds};
use treelora_lora::LoraConfig;

use crate::adapter::{attach, default_lora, validate};

/// Settings of [`JointLora`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JointLoraConfig {
    /// Where adapters go, their rank and scale.
    pub lora: LoraConfig,
}

impl Default for JointLoraConfig {
    fn default() -> Self {
        Self {
            lora: default_lora(),
        }
    }
}

impl JointLoraConfig {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        validate(&self.lora)
    }
}

/// Training on the data of all tasks in one stage: the ceiling of what a continual method with the
/// same adapter can reach, not a continual method itself.
#[derive(Clone, Debug)]
pub struct JointLora {
    config: JointLoraConfig,
    seeds: Seeds,
}

impl JointLora {
    /// With `seed` for the adapter's initial values.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(config: JointLoraConfig, seed: u64) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self {
            config,
            seeds: Seeds::new(seed),
        })
    }
}

impl<M: ContinualModel> Method<M> for JointLora {
    fn exposure(&self) -> Exposure {
        Exposure::AllTasks
    }

    fn attach(&mut self, model: M) -> Result<Learner<M>, Error> {
        attach(model, &self.config.lora, self.seeds.initialisation())
    }
}
