//! Pictures as the model reads them.

/// Colour channels.
pub const CHANNELS: usize = 3;

/// Normalised pictures on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageTensorData {
    /// Pixels, `[n, channels, height, width]`.
    pub data: Vec<f32>,
    /// Number of pictures.
    pub n: usize,
    /// Always [`CHANNELS`].
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Label of each picture in the label space of the stream.
    pub labels: Vec<usize>,
    /// Position of each picture in its data set.
    pub indices: Vec<usize>,
}

impl ImageTensorData {
    /// `[n, channels, height, width]`.
    pub fn shape(&self) -> [usize; 4] {
        [self.n, self.channels, self.height, self.width]
    }
}
