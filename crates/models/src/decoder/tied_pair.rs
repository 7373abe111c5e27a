//! The embedding and the head of a folder, which are one matrix where they are tied.

use super::{DecoderConfig, model_weights::ModelWeights};
use crate::import::ImportError;

/// The tensor by which a decoder is recognised.
pub(super) const EMBEDDING: &str = "model.embed_tokens.weight";
pub(super) const HEAD: &str = "lm_head.weight";

/// Which of the two matrices a folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TiedPair {
    /// The embedding alone, or none.
    Embedding,
    /// The head alone: tools that write a tied matrix once may choose either name.
    Head,
    /// Both, of equal values.
    Equal,
    /// Both, of different values.
    Different,
}

impl TiedPair {
    /// What `folder` holds.
    ///
    /// # Errors
    /// When the values of one are not read.
    pub(super) fn of(folder: &ModelWeights, config: &DecoderConfig) -> Result<Self, ImportError> {
        let there = |name| folder.shape(name).is_some();
        Ok(match (there(EMBEDDING), there(HEAD)) {
            (_, false) => Self::Embedding,
            (false, true) => Self::Head,
            // Nobody asks whether the matrices of an untied model are equal.
            (true, true) if !config.tie_word_embeddings => Self::Different,
            (true, true) if folder.are_equal(EMBEDDING, HEAD)? => Self::Equal,
            (true, true) => Self::Different,
        })
    }

    /// Whether the matrices are not tied, although the configuration says so.
    pub(super) fn is_untied_by(self, config: &DecoderConfig) -> bool {
        config.tie_word_embeddings && self == Self::Different
    }

    /// The tensor that is the embedding of a tied model.
    pub(super) fn embedding(self) -> &'static str {
        match self {
            Self::Head => HEAD,
            _ => EMBEDDING,
        }
    }
}
