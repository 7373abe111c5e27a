//! The rounds of each run, and what is counted.

use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{CurvePoint, Environment, Landscape, RegretConfig, RegretReport, RegretResult};
use crate::{BanditError, Policy, TreeBandit};

/// Run every policy on every landscape for every number of arms; policies meet the same arms.
///
/// # Errors
/// [`BanditError::Setting`] for settings out of range.
pub fn simulate(config: &RegretConfig) -> Result<RegretReport, BanditError> {
    config.validate()?;
    let mut results = Vec::new();
    for &arms in &config.arms {
        for &landscape in &config.landscapes {
            for &policy in &config.policies {
                let runs = (0..config.seeds)
                    .map(|run| run_once(arms, landscape, policy, config.seed + run, config))
                    .collect::<Result<Vec<_>, _>>()?;
                results.push(summarise(arms, landscape, policy, &runs));
            }
        }
    }
    Ok(RegretReport {
        config: config.clone(),
        results,
    })
}

/// What one run leaves.
struct Run {
    /// (round, cumulative regret).
    curve: Vec<(u64, f64)>,
    /// Pulls per arm, the arm of the smallest mean first.
    pulls_by_rank: Vec<u64>,
    /// How many arms are near-optimal; they come first in `pulls_by_rank`.
    near_optimal: usize,
}

fn run_once(
    arms: usize,
    landscape: Landscape,
    policy: Policy,
    seed: u64,
    config: &RegretConfig,
) -> Result<Run, BanditError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let environment = Environment::draw(arms, landscape, config, &mut rng)?;
    let means = environment.means();
    let mut ranking: Vec<usize> = (0..arms).collect();
    ranking.sort_by(|&a, &b| means[a].total_cmp(&means[b]));
    let smallest = means[ranking[0]];

    let mut bandit = TreeBandit::new(Arc::new(environment.tree().clone()), config.scale);
    let mut regret = 0.0;
    let mut curve = Vec::new();
    for round in 1..=config.rounds {
        let arm = bandit.choose(policy, &mut rng);
        bandit.record(arm, environment.cost(arm, &mut rng))?;
        regret += means[arm] - smallest;
        // Point i of p lies at ceil(i rounds / p); with fewer rounds than points, at each round.
        let points = config.curve_points.min(config.rounds);
        let next = (curve.len() as u64 + 1) * config.rounds;
        if round * points >= next {
            curve.push((round, regret));
        }
    }
    Ok(Run {
        curve,
        pulls_by_rank: ranking
            .iter()
            .map(|&arm| bandit.statistics().pulls(arm))
            .collect(),
        near_optimal: means
            .iter()
            .filter(|&&m| m <= smallest + config.eta)
            .count(),
    })
}

fn summarise(arms: usize, landscape: Landscape, policy: Policy, runs: &[Run]) -> RegretResult {
    let over_runs =
        |value: &dyn Fn(&Run) -> f64| runs.iter().map(value).sum::<f64>() / runs.len() as f64;
    let share = |run: &Run, ranks: usize| {
        let pulls: u64 = run.pulls_by_rank[..ranks].iter().sum();
        pulls as f64 / run.pulls_by_rank.iter().sum::<u64>() as f64
    };
    let curve = (0..runs[0].curve.len())
        .map(|point| {
            let mean = over_runs(&|run| run.curve[point].1);
            let variance = over_runs(&|run| (run.curve[point].1 - mean).powi(2));
            CurvePoint {
                round: runs[0].curve[point].0,
                regret: mean,
                deviation: variance.sqrt(),
            }
        })
        .collect();
    RegretResult {
        arms,
        landscape,
        policy,
        curve,
        near_optimal_arms: over_runs(&|run| run.near_optimal as f64),
        near_optimal_share: over_runs(&|run| share(run, run.near_optimal)),
        best_share: over_runs(&|run| share(run, 1)),
        arms_pulled: over_runs(&|run| run.pulls_by_rank.iter().filter(|&&n| n > 0).count() as f64),
        pulls_by_rank: (0..arms.min(RegretResult::RANKS))
            .map(|rank| over_runs(&|run| run.pulls_by_rank[rank] as f64))
            .collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn small() -> RegretConfig {
        RegretConfig {
            arms: vec![64],
            rounds: 1_501,
            seeds: 3,
            curve_points: 10,
            ..RegretConfig::default()
        }
    }

    #[test]
    fn curves_rise_and_end_at_the_last_round() {
        let report = simulate(&small()).unwrap();
        for result in &report.results {
            assert_eq!(result.curve.len(), 10);
            assert_eq!(result.curve[9].round, 1_501);
            assert!(result.curve.windows(2).all(|w| w[0].regret <= w[1].regret));
            assert!(result.best_share <= result.near_optimal_share);
            assert!(result.pulls_by_rank.iter().sum::<f64>() <= 1_501.0);
            // What choosing blindly gives the near-optimal arms, and what learning adds.
            let (blind, share) = (result.near_optimal_arms / 64.0, result.near_optimal_share);
            match result.policy {
                Policy::Uniform => assert!((share - blind).abs() < 0.02, "{share} {blind}"),
                _ => assert!(share > 1.2 * blind, "{share} {blind} {result:?}"),
            }
        }
        let short = RegretConfig {
            rounds: 3,
            ..small()
        };
        assert_eq!(simulate(&short).unwrap().results[0].curve.len(), 3);
    }

    #[test]
    fn uniform_choice_has_the_regret_of_the_mean_arm() {
        let config = RegretConfig {
            policies: vec![Policy::Uniform],
            landscapes: vec![Landscape::Smooth],
            seeds: 1,
            ..small()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let arms = Environment::draw(64, Landscape::Smooth, &config, &mut rng).unwrap();
        let smallest = arms.means().iter().copied().fold(1.0, f64::min);
        let expected = (arms.means().iter().sum::<f64>() / 64.0 - smallest) * 1_501.0;
        let regret = simulate(&config).unwrap().results[0].regret();
        assert!((regret / expected - 1.0).abs() < 0.1, "{regret} {expected}");
    }

    #[test]
    fn the_same_seed_gives_the_same_report() {
        let report = simulate(&small()).unwrap();
        assert_eq!(simulate(&small()).unwrap(), report);
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<RegretReport>(&json).unwrap(), report);
    }
}
