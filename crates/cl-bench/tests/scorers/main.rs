//! Scores of texts: against the packages the field uses, and what holds for any text.
#![allow(clippy::unwrap_used)]

mod golden;
mod laws;
mod registry;
