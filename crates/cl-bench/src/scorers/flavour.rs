//! Whose scoring.

use serde::{Deserialize, Serialize};

/// Whose version of the scores: the two differ in how forgiving they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flavour {
    /// TRACE: the text as it was generated.
    #[default]
    Strict,
    /// The fork in TreeLoRA's release: blanks around a generation and whatever follows the answer
    /// are forgiven. Its answers to numeric questions are inflated: "21" passes for "2".
    Treelora,
}

impl Flavour {
    /// Both, in reading order.
    pub const ALL: [Self; 2] = [Self::Strict, Self::Treelora];

    /// Name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Treelora => "treelora",
        }
    }
}
