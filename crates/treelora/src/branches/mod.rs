//! Tasks of one domain share an adapter: the branches of a tree over tasks.
//!
//! [`BranchLora`] is the method, [`Branches`] what it remembers.

mod branch_lora;

mod choice;

mod config;

mod memory;

mod probe;

pub use branch_lora::BranchLora;
pub use choice::{BranchChoice, BranchStart, Placement};
pub use config::BranchLoraConfig;
pub use memory::Branches;
