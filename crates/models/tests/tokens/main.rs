//! Models that are open between their blocks: both families, the same laws.
#![allow(clippy::unwrap_used)]

mod fixture;

mod blocks;

mod prompts;

mod prefixes;

mod gradients;

mod decoder_order;

mod decoder_features;
