//! Against numbers from elsewhere: worked out by hand, or by Pillow.
#![allow(clippy::unwrap_used)]

mod image_pipeline;
mod metrics;
