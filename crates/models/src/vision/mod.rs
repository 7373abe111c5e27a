//! Families of vision models, a file (or a folder) and a row each, and what they share.
//!
//! | what | where |
//! |---|---|
//! | what a family offers | [`VisionModel`], [`VisionShape`] |
//! | a family by the name in a file | [`VisionFamily`], [`FamilyVisitor`] |
//! | what goes in | [`ImageBatch`] |
//! | parts of more than one family | [`PatchEmbedding`], [`LayerNorm`], [`Mlp`], [`head`] |

#[macro_use]
mod registry;

pub mod vit;

pub mod mixer;

mod model;

mod batch;

mod classification;

mod frozen_prefix;

mod initialization;

mod layer_norm;

mod mlp;

mod patch_embedding;

vision_families! {
    Vit(vit::VisionTransformer),
    Mixer(mixer::Mixer),
}

pub use batch::{ImageBatch, ImageInput};
pub use initialization::head;
pub use layer_norm::LayerNorm;
pub use mlp::Mlp;
pub use model::{LoadWeights, SaveWeights, VisionModel, VisionShape, WeightFiles};
pub use patch_embedding::PatchEmbedding;
pub use registry::{FamilyRow, FamilyVisitor};
