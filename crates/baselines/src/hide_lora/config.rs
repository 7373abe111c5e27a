//! Settings of HiDe-LoRA.

use serde::{Deserialize, Serialize};
use treelora_class_incremental::{DiscriminantConfig, HeadAlignment, StatisticsConfig};
use treelora_core::Error;
use treelora_lora::LoraConfig;

use crate::adapter::{default_lora, not_negative, positive, validate};

/// Settings of [`HideLora`](super::HideLora), and of [`HeadlessHideLora`](super::HeadlessHideLora) where there is no
/// classification head: `contrast` is then 0, `task_identity` frozen, and neither `statistics` nor `alignment` is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HideLoraConfig {
    /// Where adapters go, their rank and scale; also of the network for the task's identity.
    pub lora: LoraConfig,
    /// Share of the mean of the earlier adapters that is mixed into a finished one, in `[0, 1)`.
    pub momentum: f64,
    /// Weight of the contrastive term; 0 leaves it out.
    pub contrast: f64,
    /// Temperature of the contrastive term.
    pub temperature: f64,
    /// Statistics of the classes.
    pub statistics: StatisticsConfig,
    /// How the head is re-balanced after each task from the second on.
    pub alignment: HeadAlignment,
    /// How the task of an example is inferred.
    pub task_identity: TaskIdentityConfig,
}

impl Default for HideLoraConfig {
    fn default() -> Self {
        Self {
            lora: default_lora(),
            momentum: 0.1,
            contrast: 0.01,
            temperature: 0.8,
            statistics: StatisticsConfig::Centroids { centroids: 10 },
            alignment: HeadAlignment::default(),
            task_identity: TaskIdentityConfig::default(),
        }
    }
}

/// How the task of an example is inferred.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TaskIdentityConfig {
    /// The original: a second network with one slowly learned adapter for all tasks and an aligned
    /// head; the task of its best class. The default, because it is what the method is; a step
    /// costs twice as much.
    SharedLora(SharedLoraConfig),
    /// A discriminant on the frozen backbone's features: one pass over the data instead of a
    /// network, and less often right.
    Frozen {
        /// Which discriminant.
        discriminant: DiscriminantConfig,
    },
}

impl TaskIdentityConfig {
    fn validate(&self) -> Result<(), Error> {
        match self {
            Self::SharedLora(config) => {
                positive("learning_rate", config.learning_rate)?;
                positive("head_learning_rate", config.head_learning_rate)?;
                not_negative("slow_learning", config.slow_learning)
            }
            Self::Frozen { discriminant } => discriminant
                .validate()
                .map_err(|e| e.within("discriminant")),
        }
    }
}

impl Default for TaskIdentityConfig {
    fn default() -> Self {
        Self::SharedLora(SharedLoraConfig::default())
    }
}

/// Training of the network for the task's identity: Adam with a cosine to 0 over each task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SharedLoraConfig {
    /// Learning rate of the adapter on the first task.
    pub learning_rate: f64,
    /// Learning rate of the head.
    pub head_learning_rate: f64,
    /// Factor on the adapter's learning rate from the second task on.
    pub slow_learning: f64,
}

impl Default for SharedLoraConfig {
    fn default() -> Self {
        Self {
            learning_rate: 2e-3,
            head_learning_rate: 5e-3,
            slow_learning: 0.1,
        }
    }
}

impl HideLoraConfig {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        validate(&self.lora)?;
        if !(0.0..1.0).contains(&self.momentum) {
            let problem = format!("{} is not in [0, 1)", self.momentum);
            return Err(Error::setting("momentum", problem));
        }
        not_negative("contrast", self.contrast)?;
        positive("temperature", self.temperature)?;
        let statistics = self.statistics.validate();
        statistics.map_err(|e| e.within("statistics"))?;
        let alignment = self.alignment.validate();
        alignment.map_err(|e| e.within("alignment"))?;
        let task_identity = self.task_identity.validate();
        task_identity.map_err(|e| e.within("task_identity"))
    }
}
