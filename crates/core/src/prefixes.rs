//! Keys and values that a method puts in front of those of a block (prefix tuning).

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use crate::{Tokens, row_vectors::for_batch};

/// Keys and values that all tokens of a block attend to beside each other.
///
/// They enter the attention as they are: no projection, normalisation or rotation of the block applies to them.
/// Source: Li and Liang, <https://arxiv.org/abs/2101.00190>; DualPrompt, <https://arxiv.org/abs/2204.04799>.
#[derive(Clone, Debug)]
pub struct Prefix {
    keys: Tensor<3>,
    values: Tensor<3>,
}

impl Prefix {
    /// From keys and values of all key heads together.
    ///
    /// # Shapes
    /// `[batch, length, key_width]` each, or `[1, length, key_width]` for one prefix that all examples share.
    ///
    /// # Panics
    /// When the two differ in shape.
    pub fn new(keys: Tensor<3>, values: Tensor<3>) -> Self {
        assert_eq!(
            keys.dims(),
            values.dims(),
            "keys and values of a prefix differ in shape"
        );
        Self { keys, values }
    }

    /// The keys, `[batch or 1, length, key_width]`.
    pub fn keys(&self) -> &Tensor<3> {
        &self.keys
    }

    /// The values, `[batch or 1, length, key_width]`.
    pub fn values(&self) -> &Tensor<3> {
        &self.values
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.keys.dims()[1]
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A block's keys and values behind those of the prefix.
    ///
    /// # Shapes
    /// `[batch, positions, key_width]` each -> `[batch, length + positions, key_width]` each.
    ///
    /// # Panics
    /// When batch or width do not fit.
    pub fn before(&self, keys: Tensor<3>, values: Tensor<3>) -> [Tensor<3>; 2] {
        if self.is_empty() {
            return [keys, values];
        }
        let behind = |prefix: &Tensor<3>, own: Tensor<3>| {
            let [batch, _, width] = own.dims();
            Tensor::cat(vec![for_batch(prefix.clone(), batch, width), own], 1)
        };
        [behind(&self.keys, keys), behind(&self.values, values)]
    }

    /// This prefix and one behind it.
    fn followed_by(self, next: Self) -> Self {
        let batch = self.keys.dims()[0].max(next.keys.dims()[0]);
        let both = |first: Tensor<3>, second: Tensor<3>| {
            let width = first.dims()[2];
            let parts = [first, second].map(|part| for_batch(part, batch, width));
            Tensor::cat(parts.into(), 1)
        };
        Self {
            keys: both(self.keys, next.keys),
            values: both(self.values, next.values),
        }
    }
}

/// The prefixes of a pass through the blocks of a model, by block.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use treelora_core::{Prefix, Prefixes};
///
/// let zeros = |length| Tensor::zeros([1, length, 8], &Device::flex());
/// let prefixes = Prefixes::none()
///     .with(0, Prefix::new(zeros(5), zeros(5)))
///     .with(2, Prefix::new(zeros(3), zeros(3)))
///     .with(2, Prefix::new(zeros(4), zeros(4)));
/// assert_eq!(prefixes.at(2).map(Prefix::len), Some(7));
/// assert!(prefixes.at(1).is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Prefixes {
    blocks: BTreeMap<usize, Prefix>,
}

impl Prefixes {
    /// No prefix in any block.
    pub fn none() -> Self {
        Self::default()
    }

    /// One more prefix in a block, behind those that it has.
    ///
    /// # Panics
    /// When it does not fit those in number of rows or width.
    pub fn with(mut self, block: usize, prefix: Prefix) -> Self {
        let prefix = match self.blocks.remove(&block) {
            Some(first) => first.followed_by(prefix),
            None => prefix,
        };
        self.blocks.insert(block, prefix);
        self
    }

    /// The prefix of a block.
    pub fn at(&self, block: usize) -> Option<&Prefix> {
        self.blocks.get(&block)
    }

    /// Check that each prefix belongs to a block that the tokens pass or have passed; for models.
    ///
    /// # Panics
    /// When a block is not below `depth`, or the tokens entered the model behind it.
    pub fn assert_fit(&self, tokens: &Tokens, depth: usize) {
        for block in self.blocks.keys() {
            assert!(
                *block < depth,
                "a prefix of block {block} in a model of {depth} blocks"
            );
            assert!(
                *block >= tokens.entered(),
                "a prefix of block {block} for tokens that entered the model at block {}",
                tokens.entered()
            );
        }
    }
}
