//! The vision transformer, open between its blocks.

use burn::tensor::Tensor;
use treelora_core::{Classifier, Prefixes, ReadOut, TokenModel, Tokens};

use super::{VisionTransformer, VitPooling};
use crate::vision::{ImageBatch, ImageInput, VisionModel};

/// A row is the class token and what stands beside it, prompt tokens, then the patches, which are the input. The position
/// embedding is added before any prompt is put between them.
///
/// The last block computes only the tokens in front and the prompt tokens, one of the patches at most, unless the
/// features are a mean of the patches.
impl TokenModel for VisionTransformer {
    fn depth(&self) -> usize {
        self.blocks.len()
    }

    fn width(&self) -> usize {
        self.config.width
    }

    fn key_width(&self) -> usize {
        self.config.width
    }

    fn embed(&self, batch: &ImageBatch) -> Tokens {
        let (states, block) = match &batch.input {
            ImageInput::Images(images) => (self.embed_images(images.clone()), 0),
            ImageInput::Hidden { block, tokens } => {
                if cfg!(debug_assertions) {
                    self.assert_frozen_before(*block);
                }
                (tokens.clone(), *block)
            }
        };
        let (leading, patches) = (self.config.variant.leading(), self.config.patches());
        Tokens::new(states, leading, vec![patches; batch.labels.len()], block)
    }

    fn run(&self, tokens: Tokens, until: usize, prefixes: &Prefixes) -> Tokens {
        prefixes.assert_fit(&tokens, self.depth());
        let (from, read) = (
            tokens.block(),
            self.read_positions(tokens.states(), tokens.front()),
        );
        tokens.advance(until, |states| {
            self.run_range(states, from..until, prefixes, read)
        })
    }

    fn read_out(&self, tokens: &Tokens, read_out: ReadOut) -> Tensor<2> {
        match read_out {
            ReadOut::Model => self.read_features(tokens.states().clone()),
            ReadOut::Prompt => {
                let prompt = match self.config.variant.pooling {
                    VitPooling::NormOfMean => self.norm.forward(tokens.mean_of_prompt()),
                    VitPooling::Token | VitPooling::MeanOfNorm => tokens
                        .clone()
                        .map(|states| self.norm.forward(states))
                        .mean_of_prompt(),
                };
                // In the place of each token that the head reads.
                match self.config.variant.read() {
                    1 => prompt,
                    read => prompt.repeat_dim(1, read),
                }
            }
        }
    }

    fn logits_of(&self, tokens: &Tokens, _batch: &ImageBatch) -> Tensor<2> {
        self.classify(self.read_out(tokens, ReadOut::Model))
    }

    fn loss_of(&self, tokens: &Tokens, batch: &ImageBatch) -> Tensor<1> {
        self.loss_of_features(self.read_out(tokens, ReadOut::Model), batch)
    }
}
