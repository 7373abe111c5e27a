//! A readable vision transformer and a readable decoder language model, with weight import.
//!
//! [`vision`] holds families of vision models, a file and a row each; [`vit`] is the first: presets Ti, S, B and L, any
//! patch and image size, published weights in timm's safetensors layout. [`decoder`] holds the second: LLaMA, Mistral, Gemma,
//! Qwen, Phi 3 and SmolLM from Hugging Face folders, training on answers, generation. Both are ordinary burn modules:
//! `treelora-lora` attaches adapters to them from outside and the models compute their factored
//! forward wherever they have a linear layer. Both are open between their blocks
//! ([`TokenModel`](treelora_core::TokenModel)), for prompts, prefixes, early exits and probes. Which method trains them, or that there are methods
//! at all, they do not know.
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
//!
//! ```
//! use burn::tensor::Device;
//! use rand::SeedableRng;
//! use treelora_core::ContinualModel;
//! use treelora_models::decoder::{
//!     DecoderConfig, GenerationConfig, GenerationRequest, TextBatch, TextExample,
//! };
//!
//! let config = DecoderConfig { num_key_value_heads: 2, ..DecoderConfig::llama(50, 32, 2, 4) };
//! let model = config.init(&mut rand_chacha::ChaCha8Rng::seed_from_u64(1), &Device::flex())?;
//!
//! let batch = TextBatch { examples: vec![TextExample::new(&[1, 7, 9], &[4, 2])] };
//! assert_eq!(model.logits(&batch).dims(), [5, 50]);
//! assert_eq!(model.loss(&batch).dims(), [1]);
//!
//! let greedy = GenerationConfig { max_new_tokens: 3, ..GenerationConfig::default() };
//! let request = GenerationRequest { prompt: vec![1, 7, 9], stream: 0 };
//! let answers = model.generate(&[request], &greedy, |_row, _token| {})?;
//! assert_eq!(answers[0].ids.len(), 3);
//! # Ok::<(), treelora_core::Error>(())
//! ```
#![warn(missing_docs)]

pub mod vision;

pub use vision::vit;

pub mod decoder;

pub mod import;

mod export;

mod precision;

pub use precision::Precision;

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
