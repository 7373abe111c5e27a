//! Laws of adapters: what must hold for any model, rank and scale.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod adding;
mod affine_maps;
mod attaching;
mod convolving;
mod forward;
mod gating;
mod layer_vectors;
mod merging;
mod peft;
mod routing;
mod selecting;
mod snapshots;
