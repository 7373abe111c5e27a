//! The decoder, open between its layers, and its features.

use burn::tensor::Tensor;
use treelora_core::{Features, Prefixes, ReadOut, TokenModel, Tokens};
use treelora_lora::Selection;

use super::{Decoder, TextBatch, TokenGrid};

/// The fewest columns of tokens that are pooled: a batch of one token would be a matrix-vector product, which rounds
/// unlike the matrix product of a larger batch.
const FEWEST: usize = 2;

impl Features for Decoder {
    /// The last hidden states of the prompt as one vector, by [`pooling`](Decoder::pooling); zero for an example
    /// without a prompt.
    ///
    /// Answers do not go through the model. Neither they nor padding nor the other examples change a bit.
    ///
    /// # Shapes
    /// `[batch, hidden_size]`.
    ///
    /// # Panics
    /// When there is no example, or an id is not in the vocabulary.
    fn features(&self, batch: &TextBatch) -> Tensor<2> {
        let prompts = batch.examples.iter().map(|example| example.prompt());
        let prompts: Vec<&[u32]> = prompts.collect();
        let inputs = prompts.iter().map(|prompt| prompt.len()).collect();
        let grid = TokenGrid::right_padded_to(&prompts, FEWEST);
        let tokens = self.tokens(&grid, inputs);
        let tokens = self.run(tokens, self.depth(), &Prefixes::none());
        self.read_out(&tokens, ReadOut::Model)
    }

    fn frozen_features(&self, batch: &TextBatch) -> Tensor<2> {
        treelora_lora::select(self.clone(), Selection::None)
            .features(batch)
            .detach()
    }

    /// All examples of a task are one group: text has no classes.
    fn groups(&self, batch: &TextBatch) -> Vec<usize> {
        vec![0; batch.examples.len()]
    }
}

/// A row is prompt tokens, then the example's own prompt, which is the input, its answer, and padding.
///
/// Prompt tokens take the first positions, each sees those before it, and the text sees them all; in a layer with a
/// sliding window as far as the window reaches. A prefix moves no position.
impl TokenModel for Decoder {
    fn depth(&self) -> usize {
        self.layers.len()
    }

    fn width(&self) -> usize {
        self.config.hidden_size
    }

    fn key_width(&self) -> usize {
        let [_queries, keys] = self.config.projected();
        keys
    }

    /// # Panics
    /// When no example has a token, or an id is not in the vocabulary.
    fn embed(&self, batch: &TextBatch) -> Tokens {
        let examples = batch.examples.iter();
        let rows: Vec<&[u32]> = examples
            .clone()
            .map(|example| example.ids.as_slice())
            .collect();
        let inputs = examples.map(|example| example.prompt().len()).collect();
        self.tokens(&TokenGrid::right_padded(&rows), inputs)
    }

    fn run(&self, tokens: Tokens, until: usize, prefixes: &Prefixes) -> Tokens {
        let depth = self.depth();
        prefixes.assert_fit(&tokens, depth);
        let (from, rows) = (tokens.block(), tokens.inputs().len());
        assert!(until <= depth, "layer {until} of a model of depth {depth}");
        tokens.advance(until, |states| {
            self.run_range(states, from..until, &vec![0; rows], prefixes)
        })
    }

    fn read_out(&self, tokens: &Tokens, read_out: ReadOut) -> Tensor<2> {
        let normed = tokens.clone().map(|states| self.norm.forward(states));
        match read_out {
            ReadOut::Model => normed.pooled(self.pooling),
            ReadOut::Prompt => normed.mean_of_prompt(),
        }
    }

    fn logits_of(&self, tokens: &Tokens, _batch: &TextBatch) -> Tensor<2> {
        let own = tokens
            .clone()
            .without_prompt()
            .map(|x| self.norm.forward(x));
        let logits = self.score(own.states().clone());
        let [rows, positions, vocabulary] = logits.dims();
        logits.reshape([rows * positions, vocabulary])
    }

    fn loss_of(&self, tokens: &Tokens, batch: &TextBatch) -> Tensor<1> {
        self.answer_loss(tokens, batch)
    }
}

impl Decoder {
    /// The vectors of a grid that is padded on the right, whose rows start with inputs of these lengths.
    fn tokens(&self, grid: &TokenGrid, inputs: Vec<usize>) -> Tokens {
        Tokens::new(self.embed_ids(grid, &self.device()), 0, inputs, 0)
    }
}
