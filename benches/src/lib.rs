//! What the benchmarks share.
#![warn(missing_docs)]

mod quantity;

pub use quantity::Quantity;
