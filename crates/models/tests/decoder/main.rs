//! The decoder: parity with transformers, laws, files that do not fit, generation.
#![allow(clippy::unwrap_used)]

mod continuations;

mod fixture;

mod generation;

mod gguf;

mod golden;

mod import;

mod laws;
mod peft;

mod shared_prefix;
