//! What is generated: a model, its prompts and how far they are continued.

use std::path::PathBuf;

use serde::Deserialize;
use treelora_models::{Precision, decoder::DecoderConfig};

/// One line of JSON, the same for all sides of a comparison but for the path.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// Folder in Hugging Face's layout.
    pub(crate) model: PathBuf,
    /// Of all matrices.
    pub(crate) precision: Precision,
    /// Token ids, a row each.
    pub(crate) prompts: Vec<Vec<u32>>,
    /// Tokens that follow each prompt.
    pub(crate) new_tokens: usize,
}

/// A LLaMA of random weights with a tied head.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shape {
    vocabulary: usize,
    width: usize,
    depth: usize,
    heads: usize,
    kv_heads: usize,
    mlp_width: usize,
}

impl Shape {
    pub(crate) fn config(&self) -> DecoderConfig {
        DecoderConfig {
            num_key_value_heads: self.kv_heads,
            intermediate_size: self.mlp_width,
            ..DecoderConfig::llama(self.vocabulary, self.width, self.depth, self.heads)
        }
    }
}
