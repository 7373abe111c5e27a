//! What is trained: the shape of a model, its adapters and its batch.

use serde::Deserialize;
use treelora_lora::LoraConfig;

/// Rank of the adapters; alpha is the same, so that the scale is 1.
const RANK: usize = 8;

/// One line of JSON, the same for both sides of a comparison.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) model: Architecture,
    /// Features of a token.
    pub(crate) width: usize,
    /// Number of blocks.
    pub(crate) depth: usize,
    /// Attention heads of a block.
    pub(crate) heads: usize,
    /// Heads of keys and values of a decoder.
    pub(crate) kv_heads: usize,
    /// Hidden features of a block's MLP.
    pub(crate) mlp_width: usize,
    /// Classes or vocabulary.
    pub(crate) outputs: usize,
    /// Whether a decoder's head is its embedding.
    pub(crate) tied: bool,
    /// Projections with adapters, by their first word: `q`, `gate`.
    pub(crate) adapted: Vec<String>,
    /// Height and width of an image in pixels, or tokens of a text.
    pub(crate) size: usize,
    /// Images or texts of a step.
    pub(crate) batch: usize,
    /// The first block with adapters.
    pub(crate) first_adapted: usize,
    /// Of the blocks before.
    pub(crate) prefix: Prefix,
    /// Of the frozen projections.
    pub(crate) precision: Precision,
    /// Share of the inputs of an adapter that is dropped.
    pub(crate) dropout: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Architecture {
    /// A vision transformer with 16 x 16 patches.
    Vit,
    /// A LLaMA.
    Decoder,
}

/// Whether the frozen blocks before the first adapter run in each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Prefix {
    /// In each step.
    Computed,
    /// Once; each step reads what came out. PyTorch has no such thing and computes.
    Cached,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Precision {
    F32,
    Bf16,
}

impl Case {
    /// Adapters on the projections of `container`'s blocks from the first adapted one on, whose names have `suffix`.
    pub(crate) fn lora(&self, container: &str, suffix: &str) -> LoraConfig {
        let blocks: Vec<String> = (self.first_adapted..self.depth)
            .map(|block| block.to_string())
            .collect();
        let (blocks, adapted) = (blocks.join("|"), self.adapted.join("|"));
        LoraConfig {
            target_modules: vec![format!(
                r"^{container}\.({blocks})\.\w+\.({adapted}){suffix}\.weight$"
            )],
            dropout: self.dropout,
            ..LoraConfig::new(RANK, RANK as f64)
        }
    }
}
