//! In what vision transformers differ beside their sizes.

use serde::{Deserialize, Serialize};

/// What the field's vision transformers have more or less than the first one. A weight file tells it, so that a
/// configuration need not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VitVariant {
    /// Whether there is a class token.
    pub class_token: bool,
    /// Whether a distillation token follows it, which a head of its own scores (DeiT). The features are those of both
    /// tokens, one behind the other.
    pub distillation_token: bool,
    /// Tokens behind these that nothing reads (DINOv2).
    pub registers: usize,
    /// Whether the leading tokens have position embeddings, as the patches do.
    pub embeds_leading: bool,
    /// Whether a factor a feature scales what a block adds (DINOv2, CaiT).
    pub layer_scale: bool,
    /// Whether queries and keys are normalised in each head.
    pub qk_norm: bool,
    /// What the features are.
    pub pooling: VitPooling,
}

/// What the features of an image are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VitPooling {
    /// The normalised class token, and the distillation token where there is one.
    #[default]
    Token,
    /// The normalised mean of the patches: timm's `fc_norm` (MAE, BEiT).
    NormOfMean,
    /// The mean of the normalised patches.
    MeanOfNorm,
}

impl Default for VitVariant {
    fn default() -> Self {
        Self {
            class_token: true,
            distillation_token: false,
            registers: 0,
            embeds_leading: true,
            layer_scale: false,
            qk_norm: false,
            pooling: VitPooling::Token,
        }
    }
}

impl VitVariant {
    /// Tokens in front of the patches.
    pub fn leading(&self) -> usize {
        usize::from(self.class_token) + usize::from(self.distillation_token) + self.registers
    }

    /// Tokens of which the features consist, where they are no mean.
    pub fn read(&self) -> usize {
        1 + usize::from(self.distillation_token)
    }

    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What no model can have, if this has it.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let token = self.pooling == VitPooling::Token;
        if token && !self.class_token {
            return Some("features of a class token that is not there");
        }
        if self.distillation_token && !(token && self.class_token) {
            return Some("a distillation token without a class token that is read");
        }
        None
    }
}
