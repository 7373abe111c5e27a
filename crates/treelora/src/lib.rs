//! TreeLoRA: continual learning with layer-wise low-rank adapters, guided by a hierarchical
//! gradient-similarity tree.
//!
//! Source: Qian, Xu, Zhang, Zhao, Zhou, "TreeLoRA: Efficient Continual Learning via Layer-Wise LoRAs
//! Guided by a Hierarchical Gradient-Similarity Tree", ICML 2025, <https://arxiv.org/abs/2506.10355>.
//!
//! | part of the method | where |
//! |---|---|
//! | the method, step by step | [`TreeLora`] |
//! | settings and the modes `paper`, `reference`, `treelora` | [`TreeLoraConfig`], [`Mode`] |
//! | signatures, tree and bandits of the past tasks | [`Relatives`] |
//! | adapters of the past tasks, merged over a budget | [`AdapterStore`] |
//! | adapters shared by tasks of one domain | [`branches`] |
//! | the regulariser of Eq. 3 | [`regulariser`] |
//! | adapters on any burn module | [`lora`] |
//! | the gradient tree | [`kdtree`] |
//! | the tree bandit of Eq. 2 | [`bandit`] |
//!
//! ```
//! use treelora::{Mode, TreeLora, TreeLoraConfig};
//!
//! let config = TreeLoraConfig { lambda: 0.3, ..TreeLoraConfig::preset(Mode::Paper) };
//! let method = TreeLora::new(config, 0)?;
//! assert!(method.relatives().is_empty()); // no task was learned yet
//! # Ok::<(), treelora_core::Error>(())
//! ```
#![warn(missing_docs)]

mod tree_lora;

mod config;

mod signature;

mod relatives;

mod arm_tree;

mod choice_history;

pub mod regulariser;

mod sparsity;

mod frozen_factor;

mod adapter_store;

pub mod branches;

pub use treelora_bandit as bandit;
pub use treelora_kdtree as kdtree;
pub use treelora_lora as lora;

pub use adapter_store::AdapterStore;
pub use choice_history::{ArmRecord, ChoiceWindow, LayerChoice, TaskRelatives};
pub use config::{Choice, Initialisation, Mode, Regulariser, Scale, TreeLoraConfig};
pub use frozen_factor::Factor;
pub use relatives::Relatives;
pub use signature::SignatureRecorder;
pub use sparsity::snapped;
pub use tree_lora::TreeLora;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Runs the example of the project's page.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ProjectReadme;
