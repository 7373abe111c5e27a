//! Token activations on their way through a model.

use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::row_vectors::for_batch;

/// How the vectors of an example's input become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Their mean.
    #[default]
    Mean,
    /// The last one, which has seen all others where tokens see what comes before them.
    Last,
}

/// Activations between two blocks of a model, and what each of them belongs to.
///
/// A row holds, in this order: the model's own leading tokens (the class token of a vision transformer, none in a
/// decoder), *prompt tokens* that a method has put there ([`with_prompt`](Self::with_prompt)), the example: its
/// *input* (all patches of an image, the text before the answer), then what the input is answered with, then padding.
#[derive(Clone, Debug)]
pub struct Tokens {
    states: Tensor<3>,
    leading: usize,
    prompt: usize,
    inputs: Vec<usize>,
    entered: usize,
    block: usize,
}

impl Tokens {
    /// Activations entering `block`, with `leading` tokens of the model in front and one length of the input a row.
    ///
    /// # Shapes
    /// `[batch, positions, width]`.
    ///
    /// # Panics
    /// When there is not one length a row, or there are fewer positions than leading tokens.
    pub fn new(states: Tensor<3>, leading: usize, inputs: Vec<usize>, block: usize) -> Self {
        let [batch, positions, _] = states.dims();
        assert_eq!(inputs.len(), batch, "one length of the input a row");
        assert!(
            leading <= positions,
            "{leading} leading tokens in {positions} positions"
        );
        Self {
            states,
            leading,
            prompt: 0,
            inputs,
            entered: block,
            block,
        }
    }

    /// The activations, `[batch, positions, width]`.
    pub fn states(&self) -> &Tensor<3> {
        &self.states
    }

    /// The block that they enter next; the depth of the model behind the last.
    pub fn block(&self) -> usize {
        self.block
    }

    /// The block at which the batch entered the model: 0, or a later one for activations that were computed before.
    pub fn entered(&self) -> usize {
        self.entered
    }

    /// Tokens of the model itself in front.
    pub fn leading(&self) -> usize {
        self.leading
    }

    /// Prompt tokens, which follow the leading ones.
    pub fn prompt(&self) -> usize {
        self.prompt
    }

    /// Positions before those of the example.
    pub fn front(&self) -> usize {
        self.leading + self.prompt
    }

    /// Tokens of each example's input.
    pub fn inputs(&self) -> &[usize] {
        &self.inputs
    }

    /// Whether all tokens of the inputs are there: the last block of a model may keep only those that are read.
    pub fn is_whole(&self) -> bool {
        let [_, positions, _] = self.states.dims();
        let longest = self.inputs.iter().max().copied().unwrap_or(0);
        self.front() + longest <= positions
    }

    /// Put prompt tokens behind the leading and earlier prompt tokens, directly in front of the example. They get no
    /// position embedding but what the prompt holds itself; in a decoder they take the first positions of the text,
    /// which moves behind them.
    ///
    /// # Shapes
    /// `[batch, length, width]`, or `[1, length, width]` for one prompt that all examples share.
    ///
    /// # Panics
    /// When batch or width do not fit, or the tokens are no longer [whole](Self::is_whole).
    pub fn with_prompt(self, prompt: Tensor<3>) -> Self {
        let [batch, positions, width] = self.states.dims();
        let length = prompt.dims()[1];
        if length == 0 {
            return self;
        }
        assert!(
            self.is_whole(),
            "a prompt for tokens of which only those are left that are read"
        );
        let front = self.front();
        let mut parts = vec![for_batch(prompt, batch, width)];
        if front > 0 {
            parts.insert(0, self.states.clone().narrow(1, 0, front));
        }
        if front < positions {
            parts.push(self.states.narrow(1, front, positions - front));
        }
        Self {
            states: Tensor::cat(parts, 1),
            prompt: self.prompt + length,
            ..self
        }
    }

    /// Without prompt tokens; with [`with_prompt`](Self::with_prompt), how a block gets a prompt of its own.
    pub fn without_prompt(self) -> Self {
        if self.prompt == 0 {
            return self;
        }
        let (leading, front) = (self.leading, self.front());
        let positions = self.states.dims()[1];
        let mut parts = Vec::new();
        if leading > 0 {
            parts.push(self.states.clone().narrow(1, 0, leading));
        }
        if front < positions {
            parts.push(self.states.narrow(1, front, positions - front));
        }
        Self {
            states: Tensor::cat(parts, 1),
            prompt: 0,
            ..self
        }
    }

    /// Other activations of the same tokens.
    pub fn map(self, change: impl FnOnce(Tensor<3>) -> Tensor<3>) -> Self {
        Self {
            states: change(self.states),
            ..self
        }
    }

    /// The activations entering `block`, which `run` computes; for models.
    ///
    /// # Panics
    /// When the tokens are behind that block already.
    pub fn advance(self, block: usize, run: impl FnOnce(Tensor<3>) -> Tensor<3>) -> Self {
        assert!(
            self.block <= block,
            "tokens entering block {} cannot go back to block {block}",
            self.block
        );
        Self {
            states: run(self.states),
            block,
            ..self
        }
    }

    /// The vectors of each example's input as one, the prompt tokens left out; zero for an input without tokens.
    ///
    /// Each row is pooled by itself, so that its bits depend neither on its batch nor on padding.
    ///
    /// # Shapes
    /// `[batch, width]`.
    ///
    /// # Panics
    /// When the tokens are no longer [whole](Self::is_whole).
    pub fn pooled(&self, pooling: Pooling) -> Tensor<2> {
        assert!(
            self.is_whole(),
            "pooling of tokens of which only those are left that are read"
        );
        let [_, positions, width] = self.states.dims();
        let device = self.states.device();
        let read = |input: usize| match pooling {
            Pooling::Mean => 0..input,
            Pooling::Last => input.saturating_sub(1)..input,
        };
        let at = self.inputs.iter().enumerate().flat_map(|(row, input)| {
            let start = row * positions + self.front();
            read(*input).map(move |token| (start + token) as i64)
        });
        let at: Vec<i64> = at.collect();
        let vectors = gather(self.states.clone(), at, &device);
        let mut start = 0;
        let rows = self.inputs.iter().map(|input| match read(*input).len() {
            0 => Tensor::zeros([1, width], &device),
            length => {
                start += length;
                vectors
                    .clone()
                    .narrow(0, start - length, length)
                    .mean_dim(0)
            }
        });
        Tensor::cat(rows.collect(), 0)
    }

    /// The mean of the prompt tokens of each row.
    ///
    /// # Shapes
    /// `[batch, width]`.
    ///
    /// # Panics
    /// When there are none.
    pub fn mean_of_prompt(&self) -> Tensor<2> {
        assert!(self.prompt > 0, "the mean of a prompt of no token");
        let prompt = self.states.clone().narrow(1, self.leading, self.prompt);
        prompt.mean_dim(1).squeeze_dim(1)
    }
}

/// The vectors at flat positions.
fn gather(states: Tensor<3>, at: Vec<i64>, device: &Device) -> Tensor<2> {
    let [rows, positions, width] = states.dims();
    let flat = states.reshape([rows * positions, width]);
    match at.len() {
        0 => flat,
        count => {
            let at: Tensor<1, Int> = Tensor::from_data(TensorData::new(at, [count]), device);
            flat.select(0, at)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[f32], shape: [usize; 3]) -> Tensor<3> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
    }

    fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
        x.into_data().iter().collect()
    }

    /// Two rows of one feature: a leading token, inputs of two and one tokens, what follows.
    fn tokens() -> Tokens {
        let states = rows(&[1., 2., 3., 4., 5., 6., 7., 8.], [2, 4, 1]);
        Tokens::new(states, 1, vec![2, 1], 0)
    }

    #[test]
    fn prompts_stand_between_leading_tokens_and_example_in_the_order_of_the_calls() {
        let shared = rows(&[10., 20.], [1, 2, 1]);
        let own = rows(&[30., 40.], [2, 1, 1]);
        let prompted = tokens().with_prompt(shared).with_prompt(own);
        assert_eq!((prompted.prompt(), prompted.front()), (3, 4));
        assert_eq!(
            numbers(prompted.states().clone()),
            [
                1., 10., 20., 30., 2., 3., 4., //
                5., 10., 20., 40., 6., 7., 8.
            ]
        );
        assert_eq!(
            numbers(prompted.mean_of_prompt()),
            [20., (10. + 20. + 40.) / 3.]
        );
        assert_eq!(numbers(prompted.pooled(Pooling::Mean)), [2.5, 6.]);
        let without = prompted.without_prompt();
        assert_eq!(
            numbers(without.states().clone()),
            numbers(tokens().states().clone())
        );
    }

    #[test]
    fn pooling_reads_the_input_alone() {
        assert_eq!(numbers(tokens().pooled(Pooling::Mean)), [2.5, 6.]);
        assert_eq!(numbers(tokens().pooled(Pooling::Last)), [3., 6.]);
        let states = rows(&[1., 2., 3., 4.], [2, 2, 1]);
        let one_empty = Tokens::new(states.clone(), 0, vec![0, 2], 0);
        assert_eq!(numbers(one_empty.pooled(Pooling::Mean)), [0., 3.5]);
        assert_eq!(numbers(one_empty.pooled(Pooling::Last)), [0., 4.]);
        let empty = Tokens::new(states, 0, vec![0, 0], 0);
        assert_eq!(numbers(empty.pooled(Pooling::Mean)), [0., 0.]);
    }

    #[test]
    #[should_panic(expected = "only those are left that are read")]
    fn tokens_that_were_cut_are_not_pooled() {
        let cut = tokens().map(|states| states.narrow(1, 0, 2));
        let _ = cut.pooled(Pooling::Mean);
    }

    #[test]
    #[should_panic(expected = "3 rows of width 1 in front of 2 rows of width 1")]
    fn a_prompt_of_another_batch_is_refused() {
        let _ = tokens().with_prompt(rows(&[0.; 3], [3, 1, 1]));
    }
}
