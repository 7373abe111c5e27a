//! Low-rank adapters (LoRA) for any burn module, without a fork of the module.
//!
//! | what | where |
//! |---|---|
//! | settings, PEFT's names and initialisation | [`LoraConfig`] |
//! | attach to parameters by pattern, freeze the rest | [`attach`], [`attach_bank`], [`detach`] |
//! | the factored forward `x W + bias + scale (x A) B` | [`linear`], [`convolution`] |
//! | several adapters on one module: one, sums, groups of samples | [`Selection`], [`select`] |
//! | how much of each, from what is trained beside them | [`Gates`], [`select_each`] |
//! | any other update of a weight | [`WeightUpdate`], [`attach_updates`] |
//! | a routed `A R B` | [`RoutedAdapter`] |
//! | an affine map of the features of a layer or a norm | [`affine`]: [`FeatureScale`], [`Shift`] |
//! | fold an adapter into the weight, and exactly back | [`merge`], [`unmerge`] |
//! | an adapter without its base: copy, file, mean | [`AdapterSnapshot`] |
//! | the folders of Hugging Face PEFT, both ways | [`peft`] |
//! | what each layer contributes to a task's signature | [`LayerVectors`] |
//!
//! Adapters are a [`Reparameterization`](burn::module::Reparameterization) of the weight, so the type of the
//! model does not change, optimisers and records see them as parameters (`<weight>.lora.<i>.a` and `.b`), and
//! every function is value in, value out: a clone of a model is independent of it and shares its base tensors.
//!
//! Not for: quantised training, adapters on 1-D or 3-D convolutions, or models that call `Linear::forward` and need
//! the factored form (they still give the right numbers, through the dense weight).
//!
//! ```
//! use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
//! use rand::SeedableRng;
//! use treelora_lora::{AdapterSnapshot, LoraConfig, Selection, attach, linear, select};
//!
//! #[derive(Module, Debug)]
//! struct Model { query: Linear, head: Linear }
//!
//! let device = Device::flex().autodiff();
//! let model = Model {
//!     query: LinearConfig::new(8, 8).init(&device),
//!     head: LinearConfig::new(8, 3).init(&device),
//! };
//! let config = LoraConfig {
//!     target_modules: vec!["query".into()],
//!     trainable: vec!["^head".into()],
//!     ..LoraConfig::new(2, 4.0)
//! };
//! let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
//! let model = attach(model, &config, &mut rng)?;
//!
//! let x = Tensor::<2>::ones([5, 8], &device);
//! let adapted = linear(&model.query, x.clone());
//! let plain = linear(&select(model.clone(), Selection::None).query, x);
//! assert_eq!(adapted.into_data(), plain.into_data()); // B starts at zero
//! assert_eq!(AdapterSnapshot::of(&model).num_parameters(), 2 * (8 + 8));
//! # Ok::<(), treelora_lora::LoraError>(())
//! ```
#![warn(missing_docs)]

mod config;

mod attach;

mod attached;

mod site;

mod update;

mod adapter;

mod routed;

mod affine;

mod feature_scale;

mod shift;

mod weight;

mod bank;

mod door;

mod traversal;

mod path;

mod parameters;

mod selection;

mod gates;

mod forward;

mod convolution;

mod merge;

mod layer_vectors;

mod snapshot;

mod combine;

mod truncated;

mod host;

pub mod peft;

mod error;

pub use adapter::LoraAdapter;
pub use affine::affine;
pub use attach::{attach, attach_bank, attach_updates, detach};
pub use attached::{
    adapter_parameters, adapters_at, add_frozen_adapter, replace_updates, select, select_each,
    train_adapter, updates_at,
};
pub use bank::LoraBank;
pub use config::LoraConfig;
pub use convolution::convolution;
pub use error::LoraError;
pub use feature_scale::FeatureScale;
pub use forward::linear;
pub use gates::Gates;
pub use layer_vectors::{Granularity, LayerVectors, LayerView};
pub use merge::{merge, unmerge};
pub use routed::RoutedAdapter;
pub use selection::{Grouping, Selection};
pub use shift::Shift;
pub use site::Site;
pub use snapshot::{AdapterLayer, AdapterSnapshot};
pub use update::{Factors, Update, WeightUpdate};

/// The example of the README, kept running.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
