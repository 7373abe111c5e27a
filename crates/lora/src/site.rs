//! Where an update goes.

use burn::tensor::Device;

/// A parameter that gets an update.
#[derive(Clone, Debug)]
pub struct Site {
    /// Path of the parameter, such as `blocks.3.norm1.weight`.
    pub path: String,
    /// `[d_in, d_out]` of the parameter seen as a matrix.
    pub dims: [usize; 2],
    /// Where the parameter is, and in which autodiff context.
    pub device: Device,
}
