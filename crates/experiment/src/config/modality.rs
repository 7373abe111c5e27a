//! What the tasks are made of.

use serde::{Deserialize, Serialize};

/// What the tasks are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Modality {
    /// Pictures with labels.
    #[default]
    Images,
    /// Prompts with answers.
    Text,
}
