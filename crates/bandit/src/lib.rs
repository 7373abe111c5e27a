//! Which past task is worth comparing with, per layer and step: a bandit over the leaves of a tree.
//!
//! A pull of arm `k` observes how far the current task is from past task `k` (its *cost*, smaller is
//! nearer). [`TreeBandit`] chooses the next arm by the lower confidence bound of a smooth tree (Eq. 2
//! of TreeLoRA, ICML 2025, after Coquelin and Munos 2007) or by a [`Policy`] that ignores the tree.
//! Host numbers only: this crate knows neither tensors nor tasks, and can be used for any tree of arms.
//!
//! Not for: contextual bandits, rewards that must be maximised (negate and rescale them), adversarial
//! costs.
//!
//! ```
//! use std::sync::Arc;
//! use rand::SeedableRng;
//! use treelora_bandit::{ArmNode, ArmTree, CostScale, Policy, TreeBandit};
//!
//! // Arms 0 and 1 are close relatives (within 0.1 of each other), arm 2 is on its own.
//! let tree = ArmTree::new(vec![
//!     ArmNode::Inner { left: 1, right: 2, delta: 0.8 },
//!     ArmNode::Leaf { arms: vec![0, 1], delta: 0.1 },
//!     ArmNode::Leaf { arms: vec![2], delta: 0.0 },
//! ])?;
//! let mut bandit = TreeBandit::new(Arc::new(tree), CostScale::Unit);
//! let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
//! let cost_of = [0.9, 0.8, 0.1];
//! for _ in 0..200 {
//!     let arm = bandit.choose(Policy::TreeLcb, &mut rng);
//!     bandit.record(arm, cost_of[arm])?;
//! }
//! assert_eq!(bandit.statistics().best(), Some(2));
//! assert!(bandit.statistics().pulls(2) > 100);
//! # Ok::<(), treelora_bandit::BanditError>(())
//! ```

mod arm_statistics;
mod arm_tree;
mod cost_scale;
mod error;
mod layer_bandits;
mod lower_confidence_bound;
mod policy;
mod probe;
pub mod simulation;
mod tree_bandit;

pub use arm_statistics::ArmStatistics;
pub use arm_tree::{ArmNode, ArmTree};
pub use cost_scale::CostScale;
pub use error::BanditError;
pub use layer_bandits::LayerBandits;
pub use lower_confidence_bound::lower_confidence_bound;
pub use policy::Policy;
pub use probe::{Probe, probe, probe_budget};
pub use tree_bandit::TreeBandit;

/// Runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
