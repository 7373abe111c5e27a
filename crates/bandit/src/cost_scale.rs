//! Which costs are allowed, and in which units.

use serde::{Deserialize, Serialize};

/// Units of the costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CostScale {
    /// Costs in `[0, 1]`, as the bound of Eq. 2 assumes; anything else is an error.
    #[default]
    Unit,
    /// Any finite cost from 0 up (the released code's plain norm). Means stay in raw units; bounds
    /// divide them by the largest cost seen so far, so that what was observed lies in `[0, 1]`.
    Raw,
}

impl CostScale {
    /// The allowed costs in words.
    pub(crate) fn range(self) -> &'static str {
        match self {
            Self::Unit => "a number in [0, 1]",
            Self::Raw => "a finite number from 0 up",
        }
    }

    pub(crate) fn allows(self, cost: f64) -> bool {
        match self {
            Self::Unit => (0.0..=1.0).contains(&cost),
            Self::Raw => cost >= 0.0 && cost.is_finite(),
        }
    }
}
