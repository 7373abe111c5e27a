//! Decoder-only language models from Hugging Face folders and GGUF files: LLaMA, Mistral, Gemma, Qwen, Phi 3 and SmolLM 3.
//!
//! Reading order: [`DecoderConfig`], [`TokenGrid`], [`Positions`], [`SelfAttention`], [`GatedMlp`],
//! [`DecoderBlock`], [`Decoder`]; then [`KeyValueCache`], with which a sequence goes through in parts, [`TextBatch`],
//! what training consumes, [`generation`], and the likelihoods of given continuations ([`ContinuationScore`]), both also
//! behind a beginning that prompts share ([`SharedPrefix`]).

mod config;

mod head_loss;

mod initialization;

mod token_grid;

mod token_embedding;

mod positions;

mod layer_shape;

mod rms_norm;

mod cache;

mod attention;

mod mlp;

mod block;

mod transformer;

mod batch;

mod language_model;

mod token_model;

mod weight_folder;

mod gguf;

mod model_weights;

mod tensor_names;

mod tied_pair;

mod import;

mod export;

mod adapted;

mod shared_prefix;

mod continuations;

pub mod generation;

pub use attention::SelfAttention;
pub use batch::{TextBatch, TextExample};
pub use block::DecoderBlock;
pub use cache::{KeyValueCache, LayerCache};
pub use config::{
    Activation, DecoderConfig, Family, Rope, RopeScaling, SlidingWindow, Turn, WindowLayers,
};
pub use continuations::ContinuationScore;
pub use generation::{
    Finish, Generation, GenerationConfig, GenerationDefaults, GenerationRequest, ScoreRules,
};
pub use mlp::GatedMlp;
pub use positions::Positions;
pub use rms_norm::RmsNorm;
pub use shared_prefix::SharedPrefix;
pub use token_embedding::TokenEmbedding;
pub use token_grid::TokenGrid;
pub use transformer::Decoder;
