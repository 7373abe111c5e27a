//! The contenders that TreeLoRA is measured against, each a [`Method`](treelora_core::Method) that
//! runs through the same loop with the same adapters.
//!
//! A contender is one file and one row of [`CONTENDERS`], at the end of this file: everything that offers methods by
//! name is made of the rows.
//!
//! A discriminant head on any of them is `treelora_class_incremental::WithDiscriminant`, an aligned
//! one `Aligned`; the floors on the frozen backbone are `FrozenDiscriminant` there.
//!
//! ```
//! use treelora_baselines::{BaselineConfig, CONTENDERS};
//!
//! assert!(CONTENDERS.iter().any(|row| row.name == "ewc"));
//! let config: BaselineConfig = serde_json::from_str(
//!     r#"{ "name": "ewc", "strength": 50.0, "lora": { "rank": 4, "alpha": 8.0, "target_modules": ["query"] } }"#,
//! )?;
//! assert_eq!(config.name(), "ewc");
//! config.validate()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(missing_docs)]

mod registry;

mod sequential_lora;

mod joint_lora;

mod ewc;

mod gem;

mod averaged_gem;

mod orthogonal_gradient;

mod learning_without_forgetting;

mod olora;

mod lora_per_task;

mod sd_lora;

mod hide_lora;

mod episodic_memory;

mod kept_adapters;

mod flat_parameters;

mod graph;

mod adapter;

pub use averaged_gem::{AGem, AGemConfig};
pub use ewc::{Ewc, EwcConfig};
pub use gem::{Gem, GemConfig, project};
pub use hide_lora::{
    HeadlessHideLora, HideLora, HideLoraConfig, SharedLoraConfig, TaskIdentityConfig,
};
pub use joint_lora::{JointLora, JointLoraConfig};
pub use learning_without_forgetting::{Lwf, LwfConfig};
pub use lora_per_task::{LoraPerTask, LoraPerTaskConfig};
pub use olora::{OLora, OLoraConfig};
pub use orthogonal_gradient::{Ogd, OgdConfig};
pub use sd_lora::{SdLora, SdLoraConfig};
pub use sequential_lora::{SequentialLora, SequentialLoraConfig};

/// Runs the examples of the book's page and of the README.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/writing-a-method.md")]
#[doc = include_str!("../README.md")]
struct Examples;

registry::contenders! {
    "sequential-lora": SequentialLora(SequentialLoraConfig), any:
        "one adapter trained task after task, slower after the first on request";
    "joint-lora": JointLora(JointLoraConfig), any:
        "all tasks at once: the ceiling";
    "ewc": Ewc(EwcConfig), any:
        "elastic weight consolidation: a quadratic pull back to the old weights";
    "gem": Gem(GemConfig), any:
        "gradient episodic memory: a gradient that harms no past task (keeps examples)";
    "a-gem": AGem(AGemConfig), any:
        "averaged GEM: a gradient that does not harm the mean past task (keeps examples)";
    "ogd": Ogd(OgdConfig), any:
        "orthogonal gradient descent: a gradient outside the span of past gradients";
    "lwf": Lwf(LwfConfig), any:
        "learning without forgetting: the old model's answers on the new data";
    "o-lora": OLora(OLoraConfig), any:
        "O-LoRA: one adapter a task, orthogonal to the earlier ones; their sum answers";
    "lora-per-task": LoraPerTask(LoraPerTaskConfig), any, keeps_adapters:
        "a fresh adapter for every task, all kept: for routed answers, or told tasks";
    "sd-lora": SdLora(SdLoraConfig), any:
        "SD-LoRA: directions of earlier tasks frozen, their magnitudes learned on; one model answers";
    "hide-lora": HideLora(HideLoraConfig), any or HeadlessHideLora, keeps_adapters, infers_tasks:
        "HiDe-LoRA: infer the task, answer with its adapter, re-balance the head";
}
