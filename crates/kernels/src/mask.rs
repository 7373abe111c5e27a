//! Which keys a query may attend to.

use burn::tensor::{Bool, Device, Int, Tensor};

/// Which key positions each query attends to.
///
/// With fewer queries than keys, as in decoding with cached keys, the queries are the last positions of the
/// sequence: query `i` stands at position `i + keys - queries`. A padding mask is `[batch, keys]` and true where a
/// key is padding. A query left without any key has an output, and gradients, of zero.
#[derive(Clone, Debug)]
pub enum AttentionMask {
    /// Every key.
    None,
    /// Every key that is not padding.
    Padding {
        /// True where a key is padding, `[batch, keys]`.
        padding: Tensor<2, Bool>,
    },
    /// The query's own position and those before it.
    Causal {
        /// True where a key is padding, `[batch, keys]`.
        padding: Option<Tensor<2, Bool>>,
    },
    /// The query's own position and the `window - 1` before it.
    SlidingWindow {
        /// Number of positions a query sees, its own included; at least 1.
        window: usize,
        /// True where a key is padding, `[batch, keys]`.
        padding: Option<Tensor<2, Bool>>,
    },
}

impl AttentionMask {
    /// Causal attention without padding.
    pub fn causal() -> Self {
        Self::Causal { padding: None }
    }

    /// Sliding-window attention without padding.
    ///
    /// # Panics
    /// When `window` is zero.
    pub fn sliding_window(window: usize) -> Self {
        assert!(
            window > 0,
            "a sliding window holds at least the query itself"
        );
        Self::SlidingWindow {
            window,
            padding: None,
        }
    }

    /// The padding mask `[batch, keys]`, true where a key is padding.
    pub fn padding(&self) -> Option<&Tensor<2, Bool>> {
        match self {
            Self::None => None,
            Self::Padding { padding } => Some(padding),
            Self::Causal { padding } | Self::SlidingWindow { padding, .. } => padding.as_ref(),
        }
    }

    /// How many positions back a query sees, its own included; `None` when it sees the future too.
    pub(crate) fn reach(&self) -> Option<usize> {
        match self {
            Self::None | Self::Padding { .. } => None,
            Self::Causal { .. } => Some(usize::MAX),
            Self::SlidingWindow { window, .. } => Some(*window),
        }
    }

    /// True where a score is left out, broadcastable to `[batch, heads, queries, keys]`; `None` when all count.
    pub(crate) fn dense(
        &self,
        queries: usize,
        keys: usize,
        device: &Device,
    ) -> Option<Tensor<4, Bool>> {
        let pattern = self.reach().map(|reach| {
            let position = Tensor::<1, Int>::arange(0..queries as i64, device)
                .add_scalar(keys as i64 - queries as i64)
                .reshape([queries, 1]);
            let key = Tensor::<1, Int>::arange(0..keys as i64, device).reshape([1, keys]);
            let age = position - key;
            // No key is older than all keys; the bound also keeps the number within any integer type.
            let reach = reach.min(keys) as i64;
            let future = age.clone().lower_elem(0);
            future
                .bool_or(age.greater_equal_elem(reach))
                .reshape([1, 1, queries, keys])
        });
        let padding = self.padding().map(|padding| {
            let [batch, length] = padding.dims();
            assert_eq!(
                length, keys,
                "attention: the padding mask is not as long as the keys"
            );
            padding.clone().reshape([batch, 1, 1, keys])
        });
        match (pattern, padding) {
            (Some(pattern), Some(padding)) => {
                let batch = padding.dims()[0];
                Some(
                    pattern
                        .expand([batch, 1, queries, keys])
                        .bool_or(padding.expand([batch, 1, queries, keys])),
                )
            }
            (pattern, padding) => pattern.or(padding),
        }
    }
}
