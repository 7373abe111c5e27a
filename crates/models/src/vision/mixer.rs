//! The MLP-Mixer of Tolstikhin et al., "MLP-Mixer: An all-MLP Architecture for Vision" (NeurIPS 2021): blocks that mix
//! the patches of an image feature by feature, then the features patch by patch; the mean over the patches is scored.
//!
//! Trained from scratch alone. The network that mixes patches has a weight for each, so that no prompt and no prefix
//! fits in between.

use burn::{
    module::Module,
    nn::Linear,
    tensor::{Device, Tensor},
};
use rand::Rng;
use serde::{Deserialize, Serialize};
use treelora_core::{
    Classifier, ContinualModel, Error, Features, Prefixes, ReadOut, TokenModel, Tokens,
};

use super::{
    ImageBatch, ImageInput, LayerNorm, Mlp, PatchEmbedding, VisionModel, VisionShape,
    classification::{classify, cross_entropy, frozen_features},
    initialization::linear,
};
use crate::Precision;

/// Colour channels of an image.
const CHANNELS: usize = 3;
/// Added to the variance in every layer normalisation.
const EPSILON: f64 = 1e-6;

/// Everything that fixes the shape of a [`Mixer`] but its classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixerShape {
    /// Side of the images in pixels; a multiple of `patch_size`, at least twice that.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Features of a patch.
    pub width: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Hidden features of the network that mixes patches; half the width when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_width: Option<usize>,
    /// Hidden features of the network that mixes features; four times the width when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_width: Option<usize>,
}

impl MixerShape {
    fn patches(&self) -> usize {
        let grid = self.image_size / self.patch_size;
        grid * grid
    }

    fn token_width(&self) -> usize {
        self.token_width.unwrap_or(self.width / 2)
    }

    fn channel_width(&self) -> usize {
        self.channel_width.unwrap_or(4 * self.width)
    }
}

impl VisionShape for MixerShape {
    fn image_size(&self) -> usize {
        self.image_size
    }

    fn validate(&self, classes: usize) -> Result<(), Error> {
        let positive = [
            ("patch_size", self.patch_size),
            ("width", self.width),
            ("depth", self.depth),
            ("token_width", self.token_width()),
            ("channel_width", self.channel_width()),
            ("classes", classes),
        ];
        if let Some((key, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(Error::setting(key, "is 0, must be at least 1"));
        }
        let (size, patch) = (self.image_size, self.patch_size);
        match size.is_multiple_of(patch) && size > patch {
            true => Ok(()),
            false => {
                let problem = format!("is {size}, must be two or more times patch_size = {patch}");
                Err(Error::setting("image_size", problem))
            }
        }
    }
}

/// The model.
///
/// Parameter paths, what adapter patterns match: `patch_embedding.projection.weight`,
/// `blocks.<i>.{mlp_tokens,mlp_channels}.{fc1,fc2}.weight`, `head.weight`; timm's names but for the embedding.
#[derive(Module, Debug)]
pub struct Mixer {
    /// From pixels to a vector a patch.
    pub patch_embedding: PatchEmbedding,
    /// The layers, first to last.
    pub blocks: Vec<MixerBlock>,
    /// After the last block.
    pub norm: LayerNorm,
    /// Scores of the classes, `[width, classes]`.
    pub head: Linear,
    #[module(skip)]
    shape: MixerShape,
}

/// Two networks, each behind a normalisation and added to what came in.
#[derive(Module, Debug)]
pub struct MixerBlock {
    /// Before the patches are mixed.
    pub norm1: LayerNorm,
    /// Mixes the patches of each feature.
    pub mlp_tokens: Mlp,
    /// Before the features are mixed.
    pub norm2: LayerNorm,
    /// Mixes the features of each patch.
    pub mlp_channels: Mlp,
}

impl MixerBlock {
    /// # Shapes
    /// `[batch, patches, width]` -> `[batch, patches, width]`.
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let by_feature = self.norm1.forward(x.clone()).swap_dims(1, 2);
        let x = x + self.mlp_tokens.forward(by_feature).swap_dims(1, 2);
        x.clone() + self.mlp_channels.forward(self.norm2.forward(x))
    }
}

impl VisionModel for Mixer {
    const NAME: &'static str = "mixer";
    const MEANING: &'static str = "MLP-Mixer; from scratch alone, through [pretraining]";
    const ADAPTED: &'static str = r"mlp_channels\.fc1\.weight$";

    type Shape = MixerShape;

    fn smallest() -> MixerShape {
        MixerShape {
            image_size: 16,
            patch_size: 8,
            width: 16,
            depth: 2,
            token_width: None,
            channel_width: Some(32),
        }
    }

    fn from_scratch(
        shape: &MixerShape,
        classes: usize,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Result<Self, Error> {
        shape.validate(classes)?;
        let width = shape.width;
        let norm = || LayerNorm::init(width, EPSILON, device);
        let patch_embedding = PatchEmbedding::init(CHANNELS, shape.patch_size, width, rng, device);
        let mut block = || MixerBlock {
            norm1: norm(),
            mlp_tokens: Mlp::init(shape.patches(), shape.token_width(), rng, device),
            norm2: norm(),
            mlp_channels: Mlp::init(width, shape.channel_width(), rng, device),
        };
        Ok(Self {
            patch_embedding,
            blocks: (0..shape.depth).map(|_| block()).collect(),
            norm: norm(),
            head: linear(width, classes, rng, device),
            shape: shape.clone(),
        })
    }

    fn in_precision(self, precision: Precision) -> Self {
        Self {
            patch_embedding: precision.of_matrices(self.patch_embedding),
            blocks: precision.of_matrices(self.blocks),
            ..self
        }
    }

    fn positions(&self) -> usize {
        self.shape.patches()
    }
}

impl TokenModel for Mixer {
    fn depth(&self) -> usize {
        self.blocks.len()
    }

    fn width(&self) -> usize {
        self.shape.width
    }

    /// 0: there is no attention, and so no prefix.
    fn key_width(&self) -> usize {
        0
    }

    fn embed(&self, batch: &ImageBatch) -> Tokens {
        let (states, block) = match &batch.input {
            ImageInput::Images(images) => (self.patch_embedding.forward(images.clone()), 0),
            ImageInput::Hidden { block, tokens } => {
                if cfg!(debug_assertions) {
                    self.assert_frozen_before(*block);
                }
                (tokens.clone(), *block)
            }
        };
        Tokens::new(states, 0, vec![self.positions(); batch.labels.len()], block)
    }

    /// # Panics
    /// Also on any prompt or prefix.
    fn run(&self, tokens: Tokens, until: usize, prefixes: &Prefixes) -> Tokens {
        let depth = self.depth();
        prefixes.assert_fit(&tokens, depth);
        let open = (0..depth).all(|block| prefixes.at(block).is_none()) && tokens.prompt() == 0;
        assert!(open, "a mixer has no place for a prompt or a prefix");
        assert!(until <= depth, "block {until} of a model of depth {depth}");
        let from = tokens.block();
        tokens.advance(until, |states| {
            let blocks = &self.blocks[from..until];
            blocks
                .iter()
                .fold(states, |states, block| block.forward(states))
        })
    }

    fn read_out(&self, tokens: &Tokens, read_out: ReadOut) -> Tensor<2> {
        let tokens = tokens.clone().map(|states| self.norm.forward(states));
        match read_out {
            ReadOut::Model => tokens.states().clone().mean_dim(1).squeeze_dim(1),
            ReadOut::Prompt => tokens.mean_of_prompt(),
        }
    }

    fn logits_of(&self, tokens: &Tokens, _batch: &ImageBatch) -> Tensor<2> {
        classify(&self.head, self.read_out(tokens, ReadOut::Model))
    }

    fn loss_of(&self, tokens: &Tokens, batch: &ImageBatch) -> Tensor<1> {
        self.loss_of_features(self.read_out(tokens, ReadOut::Model), batch)
    }
}

impl ContinualModel for Mixer {
    type Batch = ImageBatch;

    fn logits(&self, batch: &ImageBatch) -> Tensor<2> {
        self.logits_of(&self.run_all(batch), batch)
    }

    fn loss(&self, batch: &ImageBatch) -> Tensor<1> {
        self.loss_of(&self.run_all(batch), batch)
    }
}

impl Features for Mixer {
    fn features(&self, batch: &ImageBatch) -> Tensor<2> {
        self.read_out(&self.run_all(batch), ReadOut::Model)
    }

    fn frozen_features(&self, batch: &ImageBatch) -> Tensor<2> {
        frozen_features(self, batch)
    }

    fn groups(&self, batch: &ImageBatch) -> Vec<usize> {
        batch.labels.clone()
    }
}

impl Classifier for Mixer {
    fn loss_of_features(&self, features: Tensor<2>, batch: &ImageBatch) -> Tensor<1> {
        cross_entropy(classify(&self.head, features), batch)
    }

    fn labels<'b>(&self, batch: &'b ImageBatch) -> &'b [usize] {
        &batch.labels
    }

    fn head(&self) -> &Linear {
        &self.head
    }

    fn with_head(self, head: Linear) -> Self {
        let (features, width) = (head.weight.dims()[0], self.shape.width);
        assert_eq!(
            features, width,
            "a head of {features} features on a model of width {width}"
        );
        Self { head, ..self }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn model(shape: &MixerShape) -> Mixer {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        Mixer::from_scratch(shape, 3, &mut rng, &Device::flex()).unwrap()
    }

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
        tensor.into_data().iter::<f64>().collect()
    }

    /// `fc2(gelu(fc1(x)))` of one vector, with the exact GELU from burn.
    fn of_one(mlp: &Mlp, x: &[f64]) -> Vec<f64> {
        let layer = |layer: &Linear, x: &[f64]| -> Vec<f64> {
            let [inputs, outputs] = layer.weight.dims();
            let weight = values(layer.weight.val());
            let bias = values(layer.bias.as_ref().unwrap().val());
            (0..outputs)
                .map(|o| {
                    bias[o]
                        + (0..inputs)
                            .map(|i| x[i] * weight[i * outputs + o])
                            .sum::<f64>()
                })
                .collect()
        };
        let hidden = layer(&mlp.fc1, x);
        let hidden = Tensor::<1>::from_floats(
            hidden
                .iter()
                .map(|x| *x as f32)
                .collect::<Vec<_>>()
                .as_slice(),
            &Device::flex(),
        );
        layer(&mlp.fc2, &values(burn::tensor::activation::gelu(hidden)))
    }

    fn normed(x: &[f64]) -> Vec<f64> {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
        x.iter()
            .map(|x| (x - mean) / (variance + EPSILON).sqrt())
            .collect()
    }

    #[test]
    fn a_block_is_the_formula_of_the_paper() {
        let shape = MixerShape {
            token_width: Some(5),
            ..Mixer::smallest()
        };
        let (model, patches, width) = (model(&shape), 4, 16);
        let block = &model.blocks[1];
        let x: Vec<f64> = (0..patches * width)
            .map(|i| ((i * 7 % 13) as f64 - 6.0) / 3.0)
            .collect();
        // Eq. (1): U = X + W2 gelu(W1 norm(X)) down the columns, Y = U + W4 gelu(W3 norm(U)) along the rows.
        let rows = |x: &[f64]| -> Vec<f64> { x.chunks(width).flat_map(normed).collect() };
        let mut u = x.clone();
        let normal = rows(&x);
        for feature in 0..width {
            let column: Vec<f64> = (0..patches).map(|p| normal[p * width + feature]).collect();
            for (patch, value) in of_one(&block.mlp_tokens, &column).into_iter().enumerate() {
                u[patch * width + feature] += value;
            }
        }
        let normal = rows(&u);
        let expected: Vec<f64> = u
            .chunks(width)
            .zip(normal.chunks(width))
            .flat_map(|(u, row)| {
                let mixed = of_one(&block.mlp_channels, row);
                u.iter()
                    .zip(mixed)
                    .map(|(u, mixed)| u + mixed)
                    .collect::<Vec<_>>()
            })
            .collect();
        let floats: Vec<f32> = x.iter().map(|x| *x as f32).collect();
        let input = Tensor::<1>::from_floats(floats.as_slice(), &Device::flex());
        let ours = values(block.forward(input.reshape([1, patches, width])));
        for (ours, expected) in ours.iter().zip(&expected) {
            assert!((ours - expected).abs() < 1e-5, "{ours} {expected}");
        }
    }

    #[test]
    fn a_bad_shape_names_its_field() {
        let message = |shape: MixerShape| shape.validate(2).unwrap_err().to_string();
        let small = Mixer::smallest;
        small().validate(2).unwrap();
        assert!(
            message(MixerShape {
                depth: 0,
                ..small()
            })
            .contains("`depth`")
        );
        let one = MixerShape {
            width: 1,
            token_width: None,
            ..small()
        };
        assert!(message(one).contains("`token_width`"));
        for image_size in [0, 8, 20] {
            let message = message(MixerShape {
                image_size,
                ..small()
            });
            assert!(message.contains("`image_size`") && message.contains("patch_size = 8"));
        }
        assert!(
            small()
                .validate(0)
                .unwrap_err()
                .to_string()
                .contains("`classes`")
        );
    }

    #[test]
    #[should_panic(expected = "no place for a prompt")]
    fn a_prompt_is_refused() {
        let model = model(&Mixer::smallest());
        let images = Tensor::zeros([1, 3, 16, 16], &Device::flex());
        let tokens = model.embed(&ImageBatch::of_images(images, vec![0]));
        let prompt = Tensor::zeros([1, 2, 16], &Device::flex());
        let _ = model.run(tokens.with_prompt(prompt), 1, &Prefixes::none());
    }
}
