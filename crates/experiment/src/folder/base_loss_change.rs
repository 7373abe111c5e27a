//! What training on the tasks has done to the language model beside them.

use serde::{Deserialize, Serialize};

/// Loss on held-out general text before the stream and after it, in nats a token: positive change = worse.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaseLossChange {
    /// Of the frozen base.
    pub before: f64,
    /// Of what answers after the last task, with its adapter.
    pub after: f64,
    /// `after - before`.
    pub change: f64,
    /// Tokens that are predicted.
    pub tokens: usize,
}

impl BaseLossChange {
    /// What it is, to print beside the number.
    pub const FORMULA: &'static str =
        "loss after the last task - loss of the base, nats a token of general text";

    /// From the two losses.
    pub fn new(before: GeneralLoss, after: GeneralLoss) -> Self {
        Self {
            before: before.loss,
            after: after.loss,
            change: after.loss - before.loss,
            tokens: after.tokens,
        }
    }
}

/// Loss of one model on general text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeneralLoss {
    /// Nats a token.
    pub loss: f64,
    /// Tokens that are predicted.
    pub tokens: usize,
}
