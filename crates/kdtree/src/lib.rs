//! The gradient tree: which earlier tasks are relatives, from coarse to fine.
//!
//! A task leaves a [`TaskSignature`], one vector per layer of the network. A [`GradientTree`] splits
//! the tasks at the median of their similarity to the node's mean, level `d` looking at layer `d`
//! (TreeLoRA, ICML 2025, Eq. 1 and section 3.3). Signatures stay on their device; only one small
//! vector of similarities comes back per level.
//!
//! That is the tree of the paper; [`TreeConfig`] has what measures better where the tree has to find relatives: splits
//! along the first principal component, one tree over whole signatures, deltas that bound what costs differ by. A
//! [`TaskSearch`] finds the relatives of a new signature among the tasks of a tree.
//!
//! Not for: nearest-neighbour search among millions of points. Tasks are few and their vectors long.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use treelora_kdtree::{GradientTree, TaskSignature, TreeConfig};
//!
//! # let device = Device::default();
//! // Four tasks, two layers of two features.
//! let signature = |a: f32, b: f32| {
//!     TaskSignature::new(Tensor::<2>::from_data([[a, b], [b, a]], &device))
//! };
//! let mut tree = GradientTree::build(
//!     &TreeConfig::default(),
//!     vec![signature(1.0, 0.0), signature(0.9, 0.1), signature(-3.0, 2.0), signature(2.0, -5.0)],
//! )?;
//! let task = tree.insert(signature(0.95, 0.05))?;
//! assert_eq!((task, tree.len()), (4, 5));
//! println!("{}", tree.structure().named(&["cats", "dogs", "ships", "planes", "foxes"]));
//! # Ok::<(), treelora_kdtree::TreeError>(())
//! ```

mod closest_pair;
mod drawing;
mod error;
mod gradient_tree;
mod gram;
mod growth;
mod measurement;

mod host_values;
mod median_split;
mod principal_component;
mod signature_bank;
mod task_search;
mod task_signature;
mod tree_config;
mod tree_structure;

pub use closest_pair::Merge;
pub use drawing::{NamedTree, TreeDrawing};
pub use error::TreeError;
pub use gradient_tree::GradientTree;
pub use median_split::Split;
pub use task_search::{Descent, Neighbour, Neighbours, PathStep, TaskSearch};
pub use task_signature::TaskSignature;
pub use tree_config::{Levels, Similarity, Smoothness, SplitRule, TreeConfig};
pub use tree_structure::{Node, NodeKind, TreeStructure};

/// Runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
