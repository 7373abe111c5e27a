//! Laws of adapters: what must hold for any model, rank and scale.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod adding;
mod attaching;
mod forward;
mod layer_vectors;
mod merging;
mod peft;
mod selecting;
mod snapshots;
