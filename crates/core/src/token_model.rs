//! A model whose inside is open between its blocks: for prompts, prefixes, early exits and probes.

use burn::tensor::Tensor;

use crate::{Features, Prefixes, Tokens};

/// Which tokens make the features of an example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadOut {
    /// Those that the model reads itself: the class token of a vision transformer, the pooled input of a decoder.
    #[default]
    Model,
    /// The mean of the prompt tokens, as in L2P, <https://arxiv.org/abs/2112.08654>.
    Prompt,
}

/// A stack of blocks over tokens.
///
/// The model's own forward goes through the same three functions: its logits are [`logits_of`](Self::logits_of) of
/// [`embed`](Self::embed) and [`run`](Self::run) through all blocks, bit for bit. A method may stop in between:
///
/// - *prompt tokens*, at the input or in front of any block: [`Tokens::with_prompt`] before the run goes on;
/// - *prefix tokens*, keys and values in front of those of some blocks: [`Prefixes`];
/// - *early exits and probes*: any read-out of tokens that have passed the first blocks only.
///
/// ```
/// use burn::tensor::Tensor;
/// use treelora_core::{Prefixes, TokenModel};
///
/// /// The loss with a prompt at the input and another, in its place, from the middle on.
/// fn prompted_loss<M: TokenModel>(model: &M, batch: &M::Batch, prompts: [Tensor<3>; 2]) -> Tensor<1> {
///     let [first, second] = prompts;
///     let (half, whole) = (model.depth() / 2, model.depth());
///     let tokens = model.embed(batch).with_prompt(first);
///     let tokens = model.run(tokens, half, &Prefixes::none());
///     let tokens = tokens.without_prompt().with_prompt(second);
///     model.loss_of(&model.run(tokens, whole, &Prefixes::none()), batch)
/// }
/// ```
pub trait TokenModel: Features {
    /// Number of blocks.
    fn depth(&self) -> usize;

    /// Features of a token.
    fn width(&self) -> usize;

    /// Features of the keys of all heads of a block, and of its values: the width of a [`Prefix`](crate::Prefix).
    fn key_width(&self) -> usize;

    /// The tokens of a batch, on their way into block 0. A batch of activations that were computed before enters at
    /// the block of those ([`Tokens::entered`]): whoever puts tokens in front of earlier blocks needs whole examples.
    fn embed(&self, batch: &Self::Batch) -> Tokens;

    /// The tokens entering block `until`, with the prefixes of the blocks that they pass on the way.
    ///
    /// Blocks 0 to k and then k to the depth give the bits of 0 to the depth. The last block may compute only the
    /// tokens that are read: the leading and the prompt tokens of a vision transformer.
    ///
    /// # Panics
    /// When the tokens are behind that block already, it is above the depth, or a prefix does not fit the model or
    /// the tokens.
    fn run(&self, tokens: Tokens, until: usize, prefixes: &Prefixes) -> Tokens;

    /// The tokens of a batch behind the last block, without prompts and prefixes.
    fn run_all(&self, batch: &Self::Batch) -> Tokens {
        self.run(self.embed(batch), self.depth(), &Prefixes::none())
    }

    /// Features of the examples, from tokens before or behind any block, through the model's last normalisation.
    ///
    /// # Shapes
    /// `[batch, width]`.
    ///
    /// # Panics
    /// When prompt tokens are to be read and there are none.
    fn read_out(&self, tokens: &Tokens, read_out: ReadOut) -> Tensor<2>;

    /// [`ContinualModel::logits`](crate::ContinualModel::logits) from tokens of the batch; prompt tokens have none.
    fn logits_of(&self, tokens: &Tokens, batch: &Self::Batch) -> Tensor<2>;

    /// [`ContinualModel::loss`](crate::ContinualModel::loss) from tokens of the batch; it counts what it counts
    /// without prompt tokens.
    fn loss_of(&self, tokens: &Tokens, batch: &Self::Batch) -> Tensor<1>;
}
