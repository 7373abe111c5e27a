//! The registry: a name in a file becomes a method.

use serde::{Deserialize, Serialize};
use treelora_core::{Classifier, Error, Method};
use treelora_lora::LoraConfig;

use crate::{
    AGem, AGemConfig, Ewc, EwcConfig, Gem, GemConfig, HideLora, HideLoraConfig, JointLora,
    JointLoraConfig, SequentialLora, SequentialLoraConfig,
};

/// Which contender, and its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum BaselineConfig {
    /// One adapter, task after task.
    SequentialLora(SequentialLoraConfig),
    /// All tasks at once.
    JointLora(JointLoraConfig),
    /// Elastic weight consolidation.
    Ewc(EwcConfig),
    /// Gradient episodic memory.
    Gem(GemConfig),
    /// Averaged gradient episodic memory.
    AGem(AGemConfig),
    /// HiDe-LoRA.
    HideLora(HideLoraConfig),
}

impl BaselineConfig {
    /// Name in files and tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SequentialLora(_) => "sequential-lora",
            Self::JointLora(_) => "joint-lora",
            Self::Ewc(_) => "ewc",
            Self::Gem(_) => "gem",
            Self::AGem(_) => "a-gem",
            Self::HideLora(_) => "hide-lora",
        }
    }

    /// Where the method puts adapters.
    pub fn lora(&self) -> Option<&LoraConfig> {
        Some(match self {
            Self::SequentialLora(config) => &config.lora,
            Self::JointLora(config) => &config.lora,
            Self::Ewc(config) => &config.lora,
            Self::Gem(config) => &config.lora,
            Self::AGem(config) => &config.lora,
            Self::HideLora(config) => &config.lora,
        })
    }

    /// The same method with other adapters.
    pub fn with_lora(mut self, lora: LoraConfig) -> Self {
        *match &mut self {
            Self::SequentialLora(config) => &mut config.lora,
            Self::JointLora(config) => &mut config.lora,
            Self::Ewc(config) => &mut config.lora,
            Self::Gem(config) => &mut config.lora,
            Self::AGem(config) => &mut config.lora,
            Self::HideLora(config) => &mut config.lora,
        } = lora;
        self
    }

    /// Check the settings.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key.
    pub fn validate(&self) -> Result<(), Error> {
        match self {
            Self::SequentialLora(config) => config.validate(),
            Self::JointLora(config) => config.validate(),
            Self::Ewc(config) => config.validate(),
            Self::Gem(config) => config.validate(),
            Self::AGem(config) => config.validate(),
            Self::HideLora(config) => config.validate(),
        }
    }

    /// The method; `seed` drives everything random in it. `classes` is the number of classes of
    /// the stream.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn build<M: Classifier>(
        &self,
        seed: u64,
        _classes: usize,
    ) -> Result<Box<dyn Method<M>>, Error> {
        Ok(match self.clone() {
            Self::SequentialLora(config) => Box::new(SequentialLora::new(config, seed)?),
            Self::JointLora(config) => Box::new(JointLora::new(config, seed)?),
            Self::Ewc(config) => Box::new(Ewc::new(config, seed)?),
            Self::Gem(config) => Box::new(Gem::new(config, seed)?),
            Self::AGem(config) => Box::new(AGem::new(config, seed)?),
            Self::HideLora(config) => Box::new(HideLora::new(config, seed)?),
        })
    }
}
