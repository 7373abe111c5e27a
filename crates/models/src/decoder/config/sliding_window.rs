//! Layers that see only the last positions.

use treelora_core::Error;

/// A window over the last positions, in some layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlidingWindow {
    /// Positions that a query sees, its own included.
    pub size: usize,
    /// The layers that have it.
    pub layers: WindowLayers,
}

/// Layers with a sliding window; the others see all positions before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowLayers {
    /// Every layer.
    All,
    /// The layers from this index on.
    From(usize),
    /// One flag a layer.
    Listed(Vec<bool>),
}

impl WindowLayers {
    /// Whether a layer has the window.
    ///
    /// # Panics
    /// When the layer is not listed.
    pub fn contain(&self, layer: usize) -> bool {
        match self {
            Self::All => true,
            Self::From(first) => layer >= *first,
            Self::Listed(flags) => flags[layer],
        }
    }
}

impl SlidingWindow {
    pub(super) fn validate(&self, layers: usize) -> Result<(), Error> {
        if self.size == 0 {
            return Err(Error::setting("sliding_window", "is 0, must be at least 1"));
        }
        match &self.layers {
            WindowLayers::Listed(flags) if flags.len() != layers => Err(Error::setting(
                "layer_types",
                format!(
                    "has {} entries, must have num_hidden_layers = {layers}",
                    flags.len()
                ),
            )),
            _ => Ok(()),
        }
    }
}
