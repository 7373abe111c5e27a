//! The contenders that TreeLoRA is measured against, each a [`Method`](treelora_core::Method) that
//! runs through the same loop with the same adapters.
//!
//! | method | keeps | idea |
//! |---|---|---|
//! | [`SequentialLora`] | nothing | one adapter, task after task; slowed down after the first on request |
//! | [`JointLora`] | | all tasks at once: the ceiling |
//! | [`Ewc`] | weights and their importance | a quadratic pull back to the old weights |
//! | [`Gem`] | examples | a gradient that harms no past task |
//! | [`AGem`] | examples | a gradient that does not harm the mean past task |
//! | [`Ogd`] | gradients | a gradient outside the span of past gradients |
//! | [`Lwf`] | nothing | the old model's answers on the new data |
//! | [`OLora`] | an adapter a task | a new adapter for each task, orthogonal to the earlier ones; their sum answers |
//! | [`HideLora`] | an adapter a task, class statistics | infer the task, answer with its adapter, re-balance the head |
//!
//! All but [`HideLora`], which is about classification heads, train any
//! [`ContinualModel`](treelora_core::ContinualModel).
//!
//! A discriminant head on any of them is `treelora_class_incremental::WithDiscriminant`, an aligned
//! one `Aligned`; the floors on the frozen backbone are `FrozenDiscriminant` there.
//!
//! ```
//! use treelora_baselines::BaselineConfig;
//!
//! let config: BaselineConfig = serde_json::from_str(
//!     r#"{ "name": "ewc", "strength": 50.0, "lora": { "rank": 4, "alpha": 8.0, "target_modules": ["query"] } }"#,
//! )?;
//! assert_eq!(config.name(), "ewc");
//! config.validate()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(missing_docs)]

mod config;

mod sequential_lora;

mod joint_lora;

mod ewc;

mod gem;

mod averaged_gem;

mod orthogonal_gradient;

mod learning_without_forgetting;

mod olora;

mod hide_lora;

mod episodic_memory;

mod flat_parameters;

mod graph;

mod adapter;

pub use averaged_gem::{AGem, AGemConfig};
pub use config::BaselineConfig;
pub use ewc::{Ewc, EwcConfig};
pub use gem::{Gem, GemConfig, project};
pub use hide_lora::{HideLora, HideLoraConfig, SharedLoraConfig, TaskIdentityConfig};
pub use joint_lora::{JointLora, JointLoraConfig};
pub use learning_without_forgetting::{Lwf, LwfConfig};
pub use olora::{OLora, OLoraConfig};
pub use orthogonal_gradient::{Ogd, OgdConfig};
pub use sequential_lora::{SequentialLora, SequentialLoraConfig};
