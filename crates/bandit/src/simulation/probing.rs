//! Does a probe find a good arm? Search on the tree beside a flat one of as many pulls and an exhaustive one.

use std::{fmt, sync::Arc};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Environment, Landscape, RegretConfig};
use crate::{BanditError, probe, probe_budget};

/// Searches among one number of arms; gains are sums over runs.
///
/// The gain of a search is the mean cost of all arms, which is what a random choice costs, less the mean cost of the arm
/// that it ends at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbingResult {
    /// Number of arms.
    pub arms: usize,
    /// How means and tree relate.
    pub landscape: Landscape,
    /// Pulls of the tree search and of the flat one.
    pub pulls: u64,
    /// Gain of [`probe`] on the tree, as a share of the exhaustive search's.
    pub tree: f64,
    /// The same for the best observed of as many arms drawn at random, each pulled once.
    pub flat: f64,
    /// Standard error of `tree - flat` over the runs.
    pub difference_error: f64,
    /// Gain of the exhaustive search, every arm pulled once, as a share of what the best arm would gain.
    pub exhaustive: f64,
}

/// All results of a comparison; `Display` writes a Markdown table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbingReport {
    /// In the order arms, landscape.
    pub results: Vec<ProbingResult>,
}

/// Search every landscape for every number of arms. All searches meet the same arms.
///
/// Of the settings `rounds`, `policies`, `scale`, `eta` and `curve_points` have no effect.
///
/// # Errors
/// [`BanditError::Setting`] for settings out of range.
pub fn compare_probes(config: &RegretConfig) -> Result<ProbingReport, BanditError> {
    config.validate()?;
    let mut results = Vec::new();
    for &arms in &config.arms {
        for &landscape in &config.landscapes {
            let runs = (config.seed..config.seed + config.seeds)
                .map(|seed| search(arms, landscape, seed, config))
                .collect::<Result<Vec<_>, _>>()?;
            results.push(summarise(arms, landscape, &runs));
        }
    }
    Ok(ProbingReport { results })
}

/// Gains of one run.
struct Gains {
    tree: f64,
    flat: f64,
    exhaustive: f64,
    best: f64,
}

fn search(
    arms: usize,
    landscape: Landscape,
    seed: u64,
    config: &RegretConfig,
) -> Result<Gains, BanditError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let environment = Environment::draw(arms, landscape, config, &mut rng)?;
    let means = environment.means();
    let average = means.iter().sum::<f64>() / arms as f64;
    let pulls = probe_budget(arms);

    let tree = Arc::new(environment.tree().clone());
    let found = probe(&tree, pulls, |arm| {
        Ok::<_, BanditError>(environment.cost(arm, &mut rng))
    })?;
    let mut order: Vec<usize> = (0..arms).collect();
    for last in (1..arms).rev() {
        order.swap(last, rng.random_range(0..=last));
    }
    let observed: Vec<f64> = (0..arms)
        .map(|arm| environment.cost(arm, &mut rng))
        .collect();
    let lowest = |among: &[usize]| {
        let best = among
            .iter()
            .min_by(|&&a, &&b| observed[a].total_cmp(&observed[b]));
        best.map_or(0.0, |&arm| average - means[arm])
    };
    Ok(Gains {
        tree: average - means[found.best],
        flat: lowest(&order[..arms.min(pulls as usize)]),
        exhaustive: lowest(&order),
        best: average - means.iter().copied().fold(f64::INFINITY, f64::min),
    })
}

fn summarise(arms: usize, landscape: Landscape, runs: &[Gains]) -> ProbingResult {
    let sum = |gain: &dyn Fn(&Gains) -> f64| runs.iter().map(gain).sum::<f64>();
    // Arms that cost the same leave nothing to gain, and every search the whole of it.
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 1.0 };
    let exhaustive = sum(&|run| run.exhaustive);
    let count = runs.len() as f64;
    let difference = sum(&|run| run.tree - run.flat) / count;
    let squares = sum(&|run| (run.tree - run.flat - difference).powi(2));
    let error = (squares / (count - 1.0).max(1.0) / count).sqrt();
    ProbingResult {
        arms,
        landscape,
        pulls: probe_budget(arms),
        tree: share(sum(&|run| run.tree), exhaustive),
        flat: share(sum(&|run| run.flat), exhaustive),
        difference_error: error * count / exhaustive.max(f64::MIN_POSITIVE),
        exhaustive: share(exhaustive, sum(&|run| run.best)),
    }
}

impl fmt::Display for ProbingReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| arms | landscape | pulls | tree | flat | tree - flat | exhaustive of the best arm's |"
        )?;
        writeln!(f, "|--:|---|--:|--:|--:|--:|--:|")?;
        for result in &self.results {
            writeln!(
                f,
                "| {} | {} | {} | {:.1}% | {:.1}% | {:+.1} ± {:.1} | {:.1}% |",
                result.arms,
                super::report::landscape_name(result.landscape),
                result.pulls,
                100.0 * result.tree,
                100.0 * result.flat,
                100.0 * (result.tree - result.flat),
                100.0 * result.difference_error,
                100.0 * result.exhaustive,
            )?;
        }
        Ok(())
    }
}
