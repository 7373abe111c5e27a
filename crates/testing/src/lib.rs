//! Toy models and data that the tests of several crates share.
//!
//! ```
//! use burn::tensor::Device;
//! use treelora_core::{Batch, ContinualModel};
//! use treelora_testing::{classifier::TinyClassifier, compare::answers, points::points, tasks::task};
//!
//! let device = Device::default();
//! let batch = points(&task(1).classes, 10, 0, &device);
//! assert_eq!(batch.len(), 20);
//! let model = TinyClassifier::new(&device);
//! assert_eq!(answers(model.logits(&batch)).len(), 20);
//! ```

pub mod blocks;
pub mod classifier;
pub mod compare;
pub mod open_classifier;
pub mod points;
pub mod random;
pub mod regression;
pub mod snapshots;
pub mod tasks;
pub mod trainable;
