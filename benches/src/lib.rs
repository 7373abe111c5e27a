//! What the benchmarks share.
#![warn(missing_docs)]

mod memory;
mod quantity;
mod turns;

pub use memory::{Resident, reset_peak};
pub use quantity::Quantity;
pub use turns::Turns;
