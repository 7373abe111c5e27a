//! Task streams, data sets and metrics for continual learning, whatever learns.
//!
//! | what | where |
//! |---|---|
//! | labelled pictures, from files or generated | [`dataset`] |
//! | tasks with an explicit class order | [`stream`] |
//! | decode, resize, normalise, ahead of the model | [`image_pipeline`] |
//! | prompts and answers, from files to token ids | [`text`] |
//! | what a training loop asks of a stream | [`StreamData`] |
//! | generated answers against expected ones | [`scorers`] |
//! | the accuracy matrix, every convention by name | [`metrics`] |
//! | the hash that names data and weights | [`sha256()`] |
#![warn(missing_docs)]

pub mod dataset;

pub mod stream;

pub mod image_pipeline;

pub mod metrics;

pub mod text;

pub mod scorers;

mod sha256;

mod stream_data;

pub use sha256::{files_below, sha256, sha256_of_bytes, sha256_of_parts};
pub use stream_data::{BatchIterator, Stage, StreamData, seen_classes, stages};
pub use treelora_core::{Error, TaskId};

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
