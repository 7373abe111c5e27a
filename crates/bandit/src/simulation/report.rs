//! What a simulation found, as data and as a table.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Landscape, RegretConfig};
use crate::Policy;

/// Cumulative pseudo-regret at one round, over the runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Rounds played.
    pub round: u64,
    /// Mean over runs of `sum over rounds (mean of the chosen arm - smallest mean)`.
    pub regret: f64,
    /// Standard deviation of the same over runs.
    pub deviation: f64,
}

/// One policy on one landscape with one number of arms; every number is a mean over runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegretResult {
    /// Number of arms.
    pub arms: usize,
    /// How means and tree relate.
    pub landscape: Landscape,
    /// Who chose.
    pub policy: Policy,
    /// Regret over the rounds.
    pub curve: Vec<CurvePoint>,
    /// `|J_eta|`: arms whose mean is within `eta` of the smallest.
    pub near_optimal_arms: f64,
    /// Share of the pulls that near-optimal arms got.
    pub near_optimal_share: f64,
    /// Share of the pulls that the best arm got.
    pub best_share: f64,
    /// Number of arms that were pulled at all.
    pub arms_pulled: f64,
    /// Pulls of the best arms, the best first, at most [`RANKS`](Self::RANKS) of them.
    pub pulls_by_rank: Vec<f64>,
}

impl RegretResult {
    /// Length of [`pulls_by_rank`](Self::pulls_by_rank) at most.
    pub const RANKS: usize = 16;

    /// Cumulative regret at the end, mean over runs.
    pub fn regret(&self) -> f64 {
        self.curve.last().map_or(0.0, |point| point.regret)
    }

    /// Its standard deviation over runs.
    pub fn deviation(&self) -> f64 {
        self.curve.last().map_or(0.0, |point| point.deviation)
    }
}

/// All results of a simulation and the settings behind them.
///
/// `Display` writes a Markdown table, one row per number of arms, landscape and policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegretReport {
    /// The settings.
    pub config: RegretConfig,
    /// In the order arms, landscape, policy.
    pub results: Vec<RegretResult>,
}

impl fmt::Display for RegretReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| arms | landscape | policy | regret | per round | near-optimal arms | pulls on them | \
             on the best | arms pulled |"
        )?;
        writeln!(f, "|--:|---|---|--:|--:|--:|--:|--:|--:|")?;
        for result in &self.results {
            writeln!(
                f,
                "| {} | {} | {} | {:.0} ± {:.0} | {:.4} | {:.1} | {:.1}% | {:.1}% | {:.0} |",
                result.arms,
                landscape_name(result.landscape),
                policy_name(result.policy),
                result.regret(),
                result.deviation(),
                result.regret() / self.config.rounds as f64,
                result.near_optimal_arms,
                100.0 * result.near_optimal_share,
                100.0 * result.best_share,
                result.arms_pulled,
            )?;
        }
        Ok(())
    }
}

pub(super) fn landscape_name(landscape: Landscape) -> &'static str {
    match landscape {
        Landscape::Smooth => "smooth",
        Landscape::Shuffled => "shuffled",
        Landscape::ShuffledMeasured => "shuffled, measured",
        Landscape::Decoy => "decoy",
        Landscape::Clusters => "clusters",
    }
}

fn policy_name(policy: Policy) -> &'static str {
    match policy {
        Policy::TreeLcb => "tree-lcb",
        Policy::FlatLcb => "flat-lcb",
        Policy::Uniform => "uniform",
        Policy::Softmax { .. } => "softmax",
    }
}
