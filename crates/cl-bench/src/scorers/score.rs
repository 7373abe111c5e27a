//! The score of a task, and of each of its samples.

use serde::{Deserialize, Serialize};

use super::Sample;
use crate::metrics::Cell;

/// Scores of the samples of a task under one metric and flavour.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// Mean over all samples, in `[0, 1]`; a sample without a score counts as 0. `None` without
    /// samples.
    pub mean: Option<f64>,
    /// Samples with a score.
    pub counted: usize,
    /// Samples whose prediction or answer is the empty text. Only SARI scores them.
    pub empty: usize,
    /// The score of each sample in `[0, 1]`, in their order; `None` where the metric passes over
    /// one because there is nothing to compare.
    pub per_sample: Vec<Option<f64>>,
}

impl Score {
    /// Score every sample on its own.
    pub(super) fn of(samples: &[Sample<'_>], score: impl Fn(&Sample<'_>) -> Option<f64>) -> Self {
        let per_sample: Vec<_> = samples.iter().map(score).collect();
        let sum: f64 = per_sample.iter().flatten().sum();
        Self {
            // A sum of nothing is -0.
            mean: (!samples.is_empty()).then(|| sum / samples.len() as f64 + 0.0),
            counted: per_sample.iter().flatten().count(),
            empty: samples.iter().filter(|sample| sample.is_empty()).count(),
            per_sample,
        }
    }

    /// Samples with the full score among all samples: what to record for a metric that
    /// [counts right answers](super::TaskMetric::counts_right_answers).
    pub fn cell(&self) -> Cell {
        Cell {
            correct: self.per_sample.iter().filter(|s| **s == Some(1.0)).count(),
            total: self.per_sample.len(),
        }
    }
}
