//! Pre-training of a vision transformer on base classes, as a table of an experiment on images.

use serde::{Deserialize, Serialize};
use treelora_cl_bench::stream::{ClassOrder, StreamConfig};

/// Settings of pre-training on the base classes of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainingConfig {
    /// Classes that are learned before the stream begins, usually none of the stream's.
    pub classes: Vec<usize>,
    /// Training examples of each class, at most; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_per_class: Option<usize>,
    /// Passes over the data.
    pub epochs: usize,
    /// Examples a step.
    pub batch_size: usize,
    /// Learning rate of AdamW, with a cosine schedule.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

impl PretrainingConfig {
    /// The base classes as a stream of one task.
    pub fn stream(&self) -> StreamConfig {
        StreamConfig {
            class_order: ClassOrder::Given(self.classes.clone()),
            train_per_class: self.train_per_class,
            test_per_class: Some(1),
            ..StreamConfig::with_tasks(1)
        }
    }
}
