//! A readable vision transformer with weight import.
//!
//! [`vit`] holds the model: presets Ti, S, B and L, any patch and image size, published weights in
//! timm's safetensors layout. It is an ordinary burn module: `treelora-lora` attaches adapters to
//! it from outside and the model computes their factored forward wherever it has a linear layer.
//! Which method trains it, or that there are methods at all, it does not know.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use rand::SeedableRng;
//! use treelora_core::ContinualModel;
//! use treelora_models::vit::{ImageBatch, VitConfig};
//!
//! let device = Device::flex();
//! let config = VitConfig {
//!     image_size: 16, patch_size: 8, width: 24, depth: 2, heads: 3, mlp_width: 48, classes: 5,
//!     ..VitConfig::tiny()
//! };
//! let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
//! let model = config.init(&mut rng, &device)?;
//!
//! let batch = ImageBatch::of_images(Tensor::zeros([2, 3, 16, 16], &device), vec![0, 4]);
//! assert_eq!(model.logits(&batch).dims(), [2, 5]);
//! assert_eq!(model.loss(&batch).dims(), [1]);
//! # Ok::<(), treelora_core::Error>(())
//! ```
#![warn(missing_docs)]

pub mod vit;

pub mod decoder;

pub mod import;

mod export;

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
