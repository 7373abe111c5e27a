//! What holds for every data set, stream, pass and matrix, and what is refused.
#![allow(clippy::unwrap_used)]

mod dataset_files;
mod image_pipeline;
mod metrics;
mod pictures;
mod procedural;
mod rendered;
mod stream;
mod versatile;
