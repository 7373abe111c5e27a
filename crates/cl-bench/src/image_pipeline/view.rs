//! How pictures are seen.

/// How the pictures of a pass are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Resized and cropped in the centre: for evaluation and statistics.
    Plain,
    /// Changed at random as the configuration says, by the seed, the epoch and the example alone.
    Augmented {
        /// Seed of the run.
        seed: u64,
        /// Epoch: the same picture looks different in the next.
        epoch: u64,
    },
}
