//! The decoder as a model that can be trained continually, on answers given prompts.

use burn::tensor::{Device, Int, Tensor, TensorData, activation::log_softmax};
use treelora_core::{Batch, ContinualModel};

use super::{Decoder, TextBatch, TokenGrid};

impl ContinualModel for Decoder {
    type Batch = TextBatch;

    /// Scores of the next token at every position of the right-padded batch.
    ///
    /// # Shapes
    /// `[batch * positions, vocabulary]`, positions of the longest example; what stands at padding means nothing.
    ///
    /// # Panics
    /// When no example has a token, or an id is not in the vocabulary.
    fn logits(&self, batch: &TextBatch) -> Tensor<2> {
        let logits = self.forward(&grid(batch));
        let [rows, positions, vocabulary] = logits.dims();
        logits.reshape([rows * positions, vocabulary])
    }

    /// Mean cross-entropy over the tokens of all answers, each predicted from the position before it.
    ///
    /// Prompts and padding do not count, nor does an answer token that has no position before it. Only the positions
    /// that count go through the head. A batch in which none counts has a loss of zero.
    ///
    /// # Panics
    /// When no example has a token, or an id is not in the vocabulary.
    fn loss(&self, batch: &TextBatch) -> Tensor<1> {
        let states = self.run_layers(&grid(batch));
        let counted = Counted::of(batch);
        if counted.targets.is_empty() {
            return states.mul_scalar(0.0).sum();
        }
        let targets = indices(&counted.targets, &states.device());
        treelora_kernels::cross_entropy(self.scores_at(states, &counted), targets, None)
    }
}

impl Decoder {
    /// The natural logarithm of the probability of each answer token, example by example, each given all tokens
    /// before it; an answer token without a position before it is left out.
    ///
    /// # Panics
    /// When no example has a token, or an id is not in the vocabulary.
    pub fn answer_log_likelihoods(&self, batch: &TextBatch) -> Vec<Vec<f32>> {
        let counted = Counted::of(batch);
        let mut answers = vec![Vec::new(); batch.len()];
        if counted.targets.is_empty() {
            return answers;
        }
        let scores = self.scores_at(self.run_layers(&grid(batch)), &counted);
        let targets = indices(&counted.targets, &scores.device());
        let rows = counted.targets.len();
        let likelihoods = log_softmax(scores, 1).gather(1, targets.reshape([rows, 1]));
        let likelihoods = likelihoods.into_data();
        for (example, likelihood) in counted.examples.iter().zip(likelihoods.iter::<f32>()) {
            answers[*example].push(likelihood);
        }
        answers
    }

    /// Scores at the counted positions, `[counted, vocabulary]`.
    fn scores_at(&self, states: Tensor<3>, counted: &Counted) -> Tensor<2> {
        let [rows, positions, width] = states.dims();
        let at = indices(&counted.positions, &states.device());
        let states = states.reshape([rows * positions, width]).select(0, at);
        self.score(self.norm.forward(states))
    }
}

/// The tokens of a batch that its loss counts.
#[derive(Default)]
struct Counted {
    /// The example of each.
    examples: Vec<usize>,
    /// The position before each, in the padded batch of all rows.
    positions: Vec<usize>,
    /// The token itself.
    targets: Vec<usize>,
}

impl Counted {
    fn of(batch: &TextBatch) -> Self {
        let examples = &batch.examples;
        let longest = examples.iter().map(|example| example.ids.len()).max();
        let longest = longest.unwrap_or(0);
        let mut counted = Self::default();
        for (row, example) in examples.iter().enumerate() {
            for position in example.answer_start.max(1)..example.ids.len() {
                counted.examples.push(row);
                counted.positions.push(row * longest + position - 1);
                counted.targets.push(example.ids[position] as usize);
            }
        }
        counted
    }
}

fn grid(batch: &TextBatch) -> TokenGrid {
    let examples = batch.examples.iter();
    let rows: Vec<&[u32]> = examples.map(|example| example.ids.as_slice()).collect();
    TokenGrid::right_padded(&rows)
}

fn indices(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.iter().map(|value| *value as i64).collect();
    let length = values.len();
    Tensor::from_data(TensorData::new(values, [length]), device)
}
