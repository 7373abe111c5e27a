//! What the benchmarks share.
#![warn(missing_docs)]

mod quantity;
mod turns;

pub use quantity::Quantity;
pub use turns::Turns;
