//! What is scored after which task, as a setting.

use serde::{Deserialize, Serialize};

/// The `[evaluation]` table of an experiment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationSettings {
    /// Which rows of the matrix are filled.
    pub rows: EvaluationRows,
}

impl EvaluationSettings {
    /// Whether files that were written before there was such a table say the same.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Which scores are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvaluationRows {
    /// After each task on all tasks so far.
    #[default]
    All,
    /// After each task on this one, and after the last on all: what the last accuracy, the learning accuracy and the
    /// backward transfer are made of. Averages and maxima over time have no value then.
    Last,
}
