//! The vision transformer of Dosovitskiy et al., "An Image is Worth 16x16 Words" (ICLR 2021),
//! as timm publishes it: pre-norm blocks, class token, learned position embeddings, linear head.
//!
//! Reading order: [`VitConfig`], [`PatchEmbedding`], [`Attention`], [`Mlp`], [`Block`],
//! [`VisionTransformer`]; then [`import`], published weights, which [`VisionTransformer::save`] also writes, and
//! [`VitShape`], what a file says of it.

mod config;

mod variant;

mod attention;

mod block;

mod transformer;

mod token_model;

mod classifier;

mod shape;

mod family;

pub mod import;

mod export;

pub use super::{ImageBatch, ImageInput, LayerNorm, Mlp, PatchEmbedding, head};
pub use attention::Attention;
pub use block::Block;
pub use config::{VitConfig, VitPreset};
pub use import::{HeadSource, ImportError};
pub use shape::VitShape;
pub use transformer::VisionTransformer;
pub use variant::{VitPooling, VitVariant};
