//! The registry: a name in a file becomes a method.

use serde::{Deserialize, Serialize};
use treelora_core::{Classifier, ContinualModel, Error, Method};
use treelora_lora::LoraConfig;

use crate::{
    AGem, AGemConfig, Ewc, EwcConfig, Gem, GemConfig, HideLora, HideLoraConfig, JointLora,
    JointLoraConfig, Lwf, LwfConfig, OLora, OLoraConfig, Ogd, OgdConfig, SequentialLora,
    SequentialLoraConfig,
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
    /// Orthogonal gradient descent.
    Ogd(OgdConfig),
    /// Learning without forgetting.
    Lwf(LwfConfig),
    /// O-LoRA: an adapter a task, orthogonal to the earlier ones.
    OLora(OLoraConfig),
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
            Self::Ogd(_) => "ogd",
            Self::Lwf(_) => "lwf",
            Self::OLora(_) => "o-lora",
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
            Self::Ogd(config) => &config.lora,
            Self::Lwf(config) => &config.lora,
            Self::OLora(config) => &config.lora,
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
            Self::Ogd(config) => &mut config.lora,
            Self::Lwf(config) => &mut config.lora,
            Self::OLora(config) => &mut config.lora,
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
            Self::Ogd(config) => config.validate(),
            Self::Lwf(config) => config.validate(),
            Self::OLora(config) => config.validate(),
            Self::HideLora(config) => config.validate(),
        }
    }

    /// Whether the method infers the task of an example by itself.
    pub fn infers_tasks(&self) -> bool {
        matches!(self, Self::HideLora(_))
    }

    /// Whether the method keeps an adapter for each task that it could answer with.
    pub fn keeps_adapters(&self) -> bool {
        matches!(self, Self::HideLora(_))
    }

    /// The method for a classifier; `seed` drives everything random in it. `classes` is the number
    /// of classes of the stream.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn build<M: Classifier>(
        &self,
        seed: u64,
        _classes: usize,
    ) -> Result<Box<dyn Method<M>>, Error> {
        match self {
            Self::HideLora(config) => Ok(Box::new(HideLora::new(config.clone(), seed)?)),
            _ => self.build_any(seed),
        }
    }

    /// The method for any model, with or without a classification head; `seed` drives everything
    /// random in it.
    ///
    /// # Errors
    /// When a setting is out of range, or the method is one for classifiers alone.
    pub fn build_any<M: ContinualModel>(&self, seed: u64) -> Result<Box<dyn Method<M>>, Error> {
        Ok(match self.clone() {
            Self::SequentialLora(config) => Box::new(SequentialLora::new(config, seed)?),
            Self::JointLora(config) => Box::new(JointLora::new(config, seed)?),
            Self::Ewc(config) => Box::new(Ewc::new(config, seed)?),
            Self::Gem(config) => Box::new(Gem::new(config, seed)?),
            Self::AGem(config) => Box::new(AGem::new(config, seed)?),
            Self::Ogd(config) => Box::new(Ogd::new(config, seed)?),
            Self::Lwf(config) => Box::new(Lwf::new(config, seed)?),
            Self::OLora(config) => Box::new(OLora::new(config, seed)?),
            Self::HideLora(_) => {
                return Err(Error::setting(
                    "name",
                    format!(
                        "`{}` works on a classification head, which this model does not have",
                        self.name()
                    ),
                ));
            }
        })
    }
}
