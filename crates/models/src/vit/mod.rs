//! The vision transformer of Dosovitskiy et al., "An Image is Worth 16x16 Words" (ICLR 2021),
//! as timm publishes it: pre-norm blocks, class token, learned position embeddings, linear head.
//!
//! Reading order: [`VitConfig`], [`PatchEmbedding`], [`Attention`], [`Mlp`], [`Block`],
//! [`VisionTransformer`]; then [`ImageBatch`], what it consumes, and [`import`], published weights, which
//! [`VisionTransformer::save`] also writes.

mod config;

mod initialization;

mod layer_norm;

mod patch_embedding;

mod attention;

mod mlp;

mod block;

mod transformer;

mod frozen_prefix;

mod token_model;

mod classifier;

mod batch;

pub mod import;

mod export;

pub use attention::Attention;
pub use batch::{ImageBatch, ImageInput};
pub use block::Block;
pub use config::{VitConfig, VitPreset};
pub use import::{HeadSource, ImportError};
pub use initialization::head;
pub use layer_norm::LayerNorm;
pub use mlp::Mlp;
pub use patch_embedding::PatchEmbedding;
pub use transformer::VisionTransformer;
