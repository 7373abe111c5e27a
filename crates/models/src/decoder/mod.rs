//! A decoder-only language model.

mod batch;

pub use batch::{TextBatch, TextExample};
