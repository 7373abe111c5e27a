//! The whole model.

use std::ops::Range;

use burn::{
    module::{Module, Param},
    nn::Linear,
    tensor::{Device, Tensor},
};
use rand::Rng;
use treelora_core::{Error, Prefixes};

use super::{Block, VitConfig, VitPooling};
use crate::{
    Precision,
    vision::{
        LayerNorm, PatchEmbedding,
        classification::classify,
        initialization::{CLASS_TOKEN_STD, WEIGHT_STD, linear, truncated_normal},
    },
};

/// Patches and a class token through a stack of blocks; the class token is the feature vector and
/// a linear head scores it. In a [variant](super::VitVariant) there are other tokens in front, or the features are a mean
/// of the patches.
///
/// Parameter paths, what adapter patterns match: `patch_embedding.projection.weight`,
/// `blocks.<i>.attention.{q,k,v,proj}.weight`, `blocks.<i>.mlp.{fc1,fc2}.weight`, `head.weight`.
#[derive(Module, Debug)]
pub struct VisionTransformer {
    /// From pixels to tokens.
    pub patch_embedding: PatchEmbedding,
    /// The token that gathers the image, `[1, 1, width]`.
    pub class_token: Option<Param<Tensor<3>>>,
    /// A second one, `[1, 1, width]`.
    pub distillation_token: Option<Param<Tensor<3>>>,
    /// Tokens that nothing reads, `[1, registers, width]`.
    pub register_tokens: Option<Param<Tensor<3>>>,
    /// Added to the patches, and to the tokens in front in most variants,
    /// `[1, `[`embedded_positions`](VitConfig::embedded_positions)`, width]`.
    pub position_embedding: Param<Tensor<3>>,
    /// The layers, first to last.
    pub blocks: Vec<Block>,
    /// After the last block, before or behind the mean of the patches where the features are one.
    pub norm: LayerNorm,
    /// Scores of the classes, `[features, classes]`.
    pub head: Linear,
    #[module(skip)]
    pub(super) config: VitConfig,
}

impl VitConfig {
    /// A model to train from scratch; the same `rng` state gives the same weights.
    ///
    /// # Errors
    /// When the configuration is not [valid](VitConfig::validate).
    pub fn init(&self, rng: &mut impl Rng, device: &Device) -> Result<VisionTransformer, Error> {
        self.validate()?;
        let width = self.width;
        let positions = [1, self.embedded_positions(), width];
        let variant = &self.variant;
        Ok(VisionTransformer {
            patch_embedding: PatchEmbedding::init(
                self.channels,
                self.patch_size,
                width,
                rng,
                device,
            ),
            class_token: token(variant.class_token.into(), width, rng, device),
            distillation_token: token(variant.distillation_token.into(), width, rng, device),
            register_tokens: token(variant.registers, width, rng, device),
            position_embedding: truncated_normal(positions, WEIGHT_STD, rng, device),
            blocks: (0..self.depth)
                .map(|_| Block::init(self, rng, device))
                .collect(),
            norm: LayerNorm::init(width, self.norm_epsilon, device),
            head: linear(self.features(), self.classes, rng, device),
            config: self.clone(),
        })
    }
}

/// Some tokens to train from scratch.
fn token(
    count: usize,
    width: usize,
    rng: &mut impl Rng,
    device: &Device,
) -> Option<Param<Tensor<3>>> {
    (count > 0).then(|| truncated_normal([1, count, width], CLASS_TOKEN_STD, rng, device))
}

impl VisionTransformer {
    /// The shape of this model; `classes` follows the head.
    pub fn config(&self) -> &VitConfig {
        &self.config
    }

    /// The same model with another head.
    ///
    /// # Panics
    /// When the head does not take as many features as the model has.
    pub fn with_head(mut self, head: Linear) -> Self {
        let [features, classes] = head.weight.dims();
        let own = self.config.features();
        assert_eq!(
            features, own,
            "a head of {features} features on a model of {own}"
        );
        self.config.classes = classes;
        self.head = head;
        self
    }

    /// The same model with the patch embedding and the blocks as a frozen base in another number format. The head,
    /// which is trained, stays `f32`.
    pub fn in_precision(self, precision: Precision) -> Self {
        Self {
            patch_embedding: precision.of_matrices(self.patch_embedding),
            blocks: precision.of_matrices(self.blocks),
            ..self
        }
    }

    /// The activations entering block 0.
    ///
    /// # Shapes
    /// `[batch, channels, image_size, image_size]` -> `[batch, positions, width]`.
    ///
    /// # Panics
    /// When the images are not of the configured size.
    pub fn embed_images(&self, images: Tensor<4>) -> Tensor<3> {
        let [batch, channels, height, width] = images.dims();
        let size = self.config.image_size;
        assert_eq!(
            [channels, height, width],
            [self.config.channels, size, size],
            "images of another shape than the model was built for"
        );
        let leading = [
            &self.class_token,
            &self.distillation_token,
            &self.register_tokens,
        ];
        let leading = leading.into_iter().flatten().map(|token| {
            let [_, count, width] = token.dims();
            token.val().expand([batch, count, width])
        });
        let patches = self.patch_embedding.forward(images);
        let positions = self.position_embedding.val();
        match self.config.variant.embeds_leading {
            true => in_front(leading, patches) + positions,
            false => in_front(leading, patches + positions),
        }
    }

    /// The activations entering block `until`, from those entering block `from`.
    ///
    /// After the last block only the class token is ever read, so `until = depth` gives only the
    /// [read-out](Block::READ_OUT); all tokens where the features are a mean.
    ///
    /// # Shapes
    /// `[batch, positions, width]` -> the same, or `[batch, READ_OUT, width]` at `depth`.
    ///
    /// # Panics
    /// When not `from <= until <= depth`.
    pub fn run_blocks(&self, tokens: Tensor<3>, from: usize, until: usize) -> Tensor<3> {
        let read = self.read_positions(&tokens, 0);
        self.run_range(tokens, from..until, &Prefixes::none(), read)
    }

    /// The activations behind a range of blocks; behind the last block the first `read` tokens.
    pub(super) fn run_range(
        &self,
        mut tokens: Tensor<3>,
        blocks: Range<usize>,
        prefixes: &Prefixes,
        read: usize,
    ) -> Tensor<3> {
        let (Range { start, end }, depth) = (blocks, self.blocks.len());
        assert!(
            start <= end && end <= depth,
            "blocks {start} to {end} of a model of depth {depth}"
        );
        for (index, block) in self.blocks.iter().enumerate().take(end).skip(start) {
            let count = match index + 1 == depth {
                true => read,
                false => tokens.dims()[1],
            };
            tokens = block.forward_first(count, tokens, prefixes.at(index));
        }
        tokens
    }

    /// How many tokens the last block computes, of which `front` are in front of the patches.
    pub(super) fn read_positions(&self, tokens: &Tensor<3>, front: usize) -> usize {
        match self.config.variant.pooling {
            VitPooling::Token => front.max(Block::READ_OUT),
            VitPooling::NormOfMean | VitPooling::MeanOfNorm => tokens.dims()[1],
        }
    }

    /// The feature vector of activations that passed all blocks: the normalised class token, or what the
    /// [variant](super::VitVariant) has in its place.
    ///
    /// # Shapes
    /// `[batch, positions, width]` -> `[batch, features]`.
    pub fn read_features(&self, tokens: Tensor<3>) -> Tensor<2> {
        let [batch, positions, _] = tokens.dims();
        let patches = self.config.patches();
        let patches = |tokens: Tensor<3>| tokens.narrow(1, positions - patches, patches);
        let mean = |tokens: Tensor<3>| tokens.mean_dim(1).squeeze_dim::<2>(1);
        match self.config.variant.pooling {
            VitPooling::Token if self.config.variant.distillation_token => {
                let both = self.norm.forward(tokens.narrow(1, 0, 2));
                both.reshape([batch, self.config.features()])
            }
            VitPooling::Token => self
                .norm
                .forward(tokens.narrow(1, 0, 1).squeeze_dim::<2>(1)),
            VitPooling::NormOfMean => self.norm.forward(mean(patches(tokens))),
            VitPooling::MeanOfNorm => mean(self.norm.forward(patches(tokens))),
        }
    }

    /// Scores of feature vectors.
    ///
    /// # Shapes
    /// `[batch, features]` -> `[batch, classes]`.
    pub fn classify(&self, features: Tensor<2>) -> Tensor<2> {
        classify(&self.head, features)
    }
}

fn in_front(leading: impl Iterator<Item = Tensor<3>>, patches: Tensor<3>) -> Tensor<3> {
    let mut tokens: Vec<Tensor<3>> = leading.collect();
    if tokens.is_empty() {
        return patches;
    }
    tokens.push(patches);
    Tensor::cat(tokens, 1)
}
