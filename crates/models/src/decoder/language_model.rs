//! The decoder as a model that can be trained continually, on answers given prompts.

use burn::tensor::{Device, Int, Tensor, TensorData, activation::log_softmax};
use treelora_core::{Batch, ContinualModel, TokenModel, Tokens};

use super::{Decoder, TextBatch, head_loss::head_loss};

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
        self.logits_of(&self.run_all(batch), batch)
    }

    /// Mean cross-entropy over the tokens of all answers, each predicted from the position before it.
    ///
    /// Prompts and padding do not count, nor does an answer token that has no position before it. Only the positions
    /// that count go through the head. A batch in which none counts has a loss of zero.
    ///
    /// # Panics
    /// When no example has a token, or an id is not in the vocabulary.
    fn loss(&self, batch: &TextBatch) -> Tensor<1> {
        self.loss_of(&self.run_all(batch), batch)
    }
}

impl Decoder {
    /// The natural logarithm of the probability of each answer token, example by example, each given all tokens
    /// before it; an answer token without a position before it is left out.
    ///
    /// # Panics
    /// When no example has a token, or an id is not in the vocabulary.
    pub fn answer_log_likelihoods(&self, batch: &TextBatch) -> Vec<Vec<f32>> {
        self.answer_log_likelihoods_of(&self.run_all(batch), batch)
    }

    /// [`answer_log_likelihoods`](Self::answer_log_likelihoods) from tokens of the batch, which may hold a prompt.
    pub fn answer_log_likelihoods_of(&self, tokens: &Tokens, batch: &TextBatch) -> Vec<Vec<f32>> {
        let counted = Counted::of(batch, tokens);
        let mut answers = vec![Vec::new(); batch.len()];
        if counted.targets.is_empty() {
            return answers;
        }
        let scores = self.score(self.states_at(tokens, &counted));
        let targets = indices(&counted.targets, &scores.device());
        let rows = counted.targets.len();
        let likelihoods = log_softmax(scores, 1).gather(1, targets.reshape([rows, 1]));
        let likelihoods = likelihoods.into_data();
        for (example, likelihood) in counted.examples.iter().zip(likelihoods.iter::<f32>()) {
            answers[*example].push(likelihood);
        }
        answers
    }

    /// Mean cross-entropy over the answer tokens of `batch`, whose tokens passed the layers.
    pub(super) fn answer_loss(&self, tokens: &Tokens, batch: &TextBatch) -> Tensor<1> {
        let counted = Counted::of(batch, tokens);
        if counted.targets.is_empty() {
            return tokens.states().clone().mul_scalar(0.0).sum();
        }
        let targets = indices(&counted.targets, &tokens.states().device());
        let states = self.states_at(tokens, &counted);
        head_loss(states, targets, self.config.vocab_size, |states| {
            self.score(states)
        })
    }

    /// What the head scores at the counted positions, `[counted, hidden_size]`.
    fn states_at(&self, tokens: &Tokens, counted: &Counted) -> Tensor<2> {
        let states = tokens.states().clone();
        let [rows, positions, width] = states.dims();
        let at = indices(&counted.positions, &states.device());
        let states = states.reshape([rows * positions, width]).select(0, at);
        self.norm.forward(states)
    }
}

/// The tokens of a batch that its loss counts.
#[derive(Default)]
struct Counted {
    /// The example of each.
    examples: Vec<usize>,
    /// The position before each, among the tokens of all rows.
    positions: Vec<usize>,
    /// The token itself.
    targets: Vec<usize>,
}

impl Counted {
    /// # Panics
    /// When the tokens are not of this batch.
    fn of(batch: &TextBatch, tokens: &Tokens) -> Self {
        let examples = &batch.examples;
        let longest = examples.iter().map(|example| example.ids.len()).max();
        let ([rows, positions, _], prompt) = (tokens.states().dims(), tokens.front());
        assert!(
            rows == batch.len() && Some(positions) == longest.map(|longest| prompt + longest),
            "{rows} x {positions} tokens, {prompt} of them prompt, of a batch of {} with {longest:?} tokens at most",
            batch.len()
        );
        let mut counted = Self::default();
        for (row, example) in examples.iter().enumerate() {
            for position in example.answer_start.max(1)..example.ids.len() {
                counted.examples.push(row);
                counted
                    .positions
                    .push(row * positions + prompt + position - 1);
                counted.targets.push(example.ids[position] as usize);
            }
        }
        counted
    }
}

fn indices(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.iter().map(|value| *value as i64).collect();
    let length = values.len();
    Tensor::from_data(TensorData::new(values, [length]), device)
}
