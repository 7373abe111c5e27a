//! The whole model.

use std::ops::Range;

use burn::{
    module::{Module, Param},
    nn::Linear,
    tensor::{Device, Tensor},
};
use rand::Rng;
use treelora_core::{Error, Prefixes};

use super::{Block, VitConfig};
use crate::{
    Precision,
    vision::{
        LayerNorm, PatchEmbedding,
        classification::classify,
        initialization::{CLASS_TOKEN_STD, WEIGHT_STD, linear, truncated_normal},
    },
};

/// Patches and a class token through a stack of blocks; the class token is the feature vector and
/// a linear head scores it.
///
/// Parameter paths, what adapter patterns match: `patch_embedding.projection.weight`,
/// `blocks.<i>.attention.{q,k,v,proj}.weight`, `blocks.<i>.mlp.{fc1,fc2}.weight`, `head.weight`.
#[derive(Module, Debug)]
pub struct VisionTransformer {
    /// From pixels to tokens.
    pub patch_embedding: PatchEmbedding,
    /// The token that gathers the image, `[1, 1, width]`.
    pub class_token: Param<Tensor<3>>,
    /// Added to the class token and the patches, `[1, 1 + patches, width]`.
    pub position_embedding: Param<Tensor<3>>,
    /// The layers, first to last.
    pub blocks: Vec<Block>,
    /// After the last block.
    pub norm: LayerNorm,
    /// Scores of the classes, `[width, classes]`.
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
        let positions = [1, self.positions(), width];
        Ok(VisionTransformer {
            patch_embedding: PatchEmbedding::init(
                self.channels,
                self.patch_size,
                width,
                rng,
                device,
            ),
            class_token: truncated_normal([1, 1, width], CLASS_TOKEN_STD, rng, device),
            position_embedding: truncated_normal(positions, WEIGHT_STD, rng, device),
            blocks: (0..self.depth)
                .map(|_| Block::init(self, rng, device))
                .collect(),
            norm: LayerNorm::init(width, self.norm_epsilon, device),
            head: linear(width, self.classes, rng, device),
            config: self.clone(),
        })
    }
}

impl VisionTransformer {
    /// The shape of this model; `classes` follows the head.
    pub fn config(&self) -> &VitConfig {
        &self.config
    }

    /// The same model with another head.
    ///
    /// # Panics
    /// When the head does not take `width` features.
    pub fn with_head(mut self, head: Linear) -> Self {
        let [features, classes] = head.weight.dims();
        let width = self.config.width;
        assert_eq!(
            features, width,
            "a head of {features} features on a model of width {width}"
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
    /// `[batch, channels, image_size, image_size]` -> `[batch, 1 + patches, width]`.
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
        let class_token = self.class_token.val().expand([batch, 1, self.config.width]);
        let tokens = Tensor::cat(vec![class_token, self.patch_embedding.forward(images)], 1);
        tokens + self.position_embedding.val()
    }

    /// The activations entering block `until`, from those entering block `from`.
    ///
    /// After the last block only the class token is ever read, so `until = depth` gives only the
    /// [read-out](Block::READ_OUT).
    ///
    /// # Shapes
    /// `[batch, positions, width]` -> the same, or `[batch, READ_OUT, width]` at `depth`.
    ///
    /// # Panics
    /// When not `from <= until <= depth`.
    pub fn run_blocks(&self, tokens: Tensor<3>, from: usize, until: usize) -> Tensor<3> {
        self.run_range(tokens, from..until, &Prefixes::none(), Block::READ_OUT)
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

    /// The feature vector of activations that passed all blocks: the normalised class token.
    ///
    /// # Shapes
    /// `[batch, positions, width]` -> `[batch, width]`.
    pub fn read_class_token(&self, tokens: Tensor<3>) -> Tensor<2> {
        self.norm.forward(tokens.narrow(1, 0, 1).squeeze_dim(1))
    }

    /// Scores of feature vectors.
    ///
    /// # Shapes
    /// `[batch, width]` -> `[batch, classes]`.
    pub fn classify(&self, features: Tensor<2>) -> Tensor<2> {
        classify(&self.head, features)
    }
}
