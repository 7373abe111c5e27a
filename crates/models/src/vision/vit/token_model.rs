//! The vision transformer, open between its blocks.

use burn::tensor::Tensor;
use treelora_core::{Classifier, Prefixes, ReadOut, TokenModel, Tokens};

use super::{Block, VisionTransformer};
use crate::vision::{ImageBatch, ImageInput, VisionModel};

/// A row is the class token, prompt tokens, then the patches, which are the input. The position embedding is added
/// to class token and patches before any prompt is put between them.
///
/// The last block computes only the class token and the prompt tokens, one of the patches at most.
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
        let patches = self.config.positions() - 1;
        Tokens::new(states, 1, vec![patches; batch.labels.len()], block)
    }

    fn run(&self, tokens: Tokens, until: usize, prefixes: &Prefixes) -> Tokens {
        prefixes.assert_fit(&tokens, self.depth());
        let (from, read) = (tokens.block(), tokens.front().max(Block::READ_OUT));
        tokens.advance(until, |states| {
            self.run_range(states, from..until, prefixes, read)
        })
    }

    fn read_out(&self, tokens: &Tokens, read_out: ReadOut) -> Tensor<2> {
        match read_out {
            ReadOut::Model => self.read_class_token(tokens.states().clone()),
            ReadOut::Prompt => tokens
                .clone()
                .map(|states| self.norm.forward(states))
                .mean_of_prompt(),
        }
    }

    fn logits_of(&self, tokens: &Tokens, _batch: &ImageBatch) -> Tensor<2> {
        self.classify(self.read_out(tokens, ReadOut::Model))
    }

    fn loss_of(&self, tokens: &Tokens, batch: &ImageBatch) -> Tensor<1> {
        self.loss_of_features(self.read_out(tokens, ReadOut::Model), batch)
    }
}
