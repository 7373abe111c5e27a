//! The rotary positions of a layer.

use super::RopeScaling;

/// A base of rotary wavelengths, and how they are stretched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    /// Base of the wavelengths.
    pub theta: f64,
    /// How they are stretched for a longer context.
    pub scaling: RopeScaling,
}

/// By what the queries and keys of a layer are turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The rotary positions of most models and layers.
    Global,
    /// Those of the layers with a sliding window.
    Local,
    /// Nothing: the layer knows no positions.
    Not,
}
