//! How the next arm is chosen.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::ArmStatistics;

/// A rule that picks the next arm from the statistics so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "policy", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Policy {
    /// Lower confidence bound on the tree (Eq. 2, with pooled inner nodes and per-node
    /// smoothness); see [`TreeBandit`](crate::TreeBandit) for the exact rule.
    #[default]
    TreeLcb,
    /// The arm of the smallest `mu_k - 2 sqrt(ln t / n_k)`, the lowest index on ties.
    FlatLcb,
    /// Each arm with equal probability.
    Uniform,
    /// The released code: a sample from the softmax of `-mu_k + bonus_k` with
    /// `bonus_k = sqrt(ln(2 T (t+1)(t+2)) / (2 n_k + 1e-5))`. Means are in the units of the costs; an
    /// arm never pulled has mean 0 and a bonus of several hundred, so such arms come first.
    Softmax {
        /// `T`: the number of rounds that are planned.
        horizon: u64,
    },
}

/// An arm with equal probability.
pub(crate) fn uniform(arms: usize, rng: &mut impl Rng) -> usize {
    rng.random_range(0..arms)
}

/// A sample of the released code's softmax.
pub(crate) fn softmax(
    statistics: &ArmStatistics,
    round: u64,
    horizon: u64,
    rng: &mut impl Rng,
) -> usize {
    let (t, horizon) = (round as f64, horizon.max(1) as f64);
    let confidence = (2.0 * horizon * (t + 1.0) * (t + 2.0)).ln();
    let score = |arm: usize| {
        let bonus = (confidence / (2.0 * statistics.pulls(arm) as f64 + 1e-5)).sqrt();
        bonus - statistics.mean(arm).unwrap_or(0.0)
    };
    let mut weights: Vec<f64> = (0..statistics.len()).map(score).collect();
    let largest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for weight in &mut weights {
        *weight = (*weight - largest).exp();
        total += *weight;
    }
    let mut left = rng.random::<f64>() * total;
    let mut chosen = 0;
    for (arm, &weight) in weights.iter().enumerate() {
        if weight == 0.0 {
            continue;
        }
        // Rounding may leave a rest after the last arm: the last one that is possible stands.
        chosen = arm;
        if left < weight {
            break;
        }
        left -= weight;
    }
    chosen
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::CostScale;

    #[test]
    fn softmax_has_the_stated_frequencies() {
        let mut statistics = ArmStatistics::new(3, CostScale::Raw);
        for (arm, pulls, cost) in [(0, 10, 1.0), (1, 40, 0.5), (2, 20, 2.0)] {
            for _ in 0..pulls {
                statistics.record(arm, cost).unwrap();
            }
        }
        let (round, horizon) = (71, 500);
        let confidence = (2.0 * 500.0 * 72.0 * 73.0f64).ln();
        let score = |n: f64, mu: f64| ((confidence / (2.0 * n + 1e-5)).sqrt() - mu).exp();
        let scores = [score(10.0, 1.0), score(40.0, 0.5), score(20.0, 2.0)];
        let total: f64 = scores.iter().sum();
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let draws = 40_000;
        let mut counts = [0; 3];
        for _ in 0..draws {
            counts[softmax(&statistics, round, horizon, &mut rng)] += 1;
        }
        for (count, expected) in counts.iter().zip(scores) {
            let share = f64::from(*count) / f64::from(draws);
            assert!((share - expected / total).abs() < 0.01, "{counts:?}");
        }
    }

    #[test]
    fn softmax_takes_arms_without_pulls_first() {
        let mut statistics = ArmStatistics::new(3, CostScale::Unit);
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        for round in 1..=3 {
            let arm = softmax(&statistics, round, 100, &mut rng);
            assert_eq!(statistics.pulls(arm), 0);
            statistics.record(arm, 0.5).unwrap();
        }
    }

    #[test]
    fn policies_are_named_in_files() {
        for (policy, json) in [
            (Policy::TreeLcb, r#"{"policy":"tree-lcb"}"#),
            (
                Policy::Softmax { horizon: 9 },
                r#"{"policy":"softmax","horizon":9}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&policy).unwrap(), json);
            assert_eq!(serde_json::from_str::<Policy>(json).unwrap(), policy);
        }
    }
}
