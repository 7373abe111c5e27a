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
    /// Any finite cost from 0 up. Bounds divide means by the *spread*: the standard deviation of all costs observed so
    /// far, of whichever arm, with `n - 1` below the line. The exploration of an arm is `spread * 2 sqrt(ln t / n)` in the
    /// units of the costs, and a node's smoothness `spread * delta / delta of the root`: only the ratios between the
    /// deltas of a tree count, in whatever unit they were measured. Costs may be multiplied by any factor or moved by
    /// any constant, and the choices stay.
    ///
    /// The spread is of the noise and of what the arms differ by together, so it is never below the noise; it falls as
    /// the pulls gather on arms of like costs. With fewer than two costs, or equal ones, it is unknown and counts as 1,
    /// the constant of Eq. 2: nothing speaks against exploring then.
    Spread,
}

impl CostScale {
    /// The allowed costs in words.
    pub(crate) fn range(self) -> &'static str {
        match self {
            Self::Unit => "a number in [0, 1]",
            Self::Raw | Self::Spread => "a finite number from 0 up",
        }
    }

    pub(crate) fn allows(self, cost: f64) -> bool {
        match self {
            Self::Unit => (0.0..=1.0).contains(&cost),
            Self::Raw | Self::Spread => cost >= 0.0 && cost.is_finite(),
        }
    }
}
