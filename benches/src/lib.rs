//! What the benchmarks share.
#![warn(missing_docs)]

mod ratio;

pub use ratio::Ratio;
