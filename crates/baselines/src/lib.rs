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
//! | [`HideLora`] | an adapter a task, class statistics | infer the task, answer with its adapter, re-balance the head |
//!
//! A discriminant head on any of them is `treelora_class_incremental::WithDiscriminant`; the floors
//! on the frozen backbone are `FrozenDiscriminant` there.
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

mod hide_lora;

mod episodic_memory;

mod flat_parameters;

mod adapter;

pub use averaged_gem::{AGem, AGemConfig};
pub use config::BaselineConfig;
pub use ewc::{Ewc, EwcConfig};
pub use gem::{Gem, GemConfig, project};
pub use hide_lora::{HideLora, HideLoraConfig, SharedLoraConfig, TaskIdentityConfig};
pub use joint_lora::{JointLora, JointLoraConfig};
pub use sequential_lora::{SequentialLora, SequentialLoraConfig};
