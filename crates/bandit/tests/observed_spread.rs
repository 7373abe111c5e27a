//! What exploring in units of the observed spread changes, and what the tree adds to it.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use treelora_bandit::{
    ArmNode, ArmTree, CostScale, Policy, TreeBandit,
    simulation::{Landscape, RegretConfig, compare_probes, simulate},
};

/// Pulls per arm after `rounds` flat rounds on four costs that are 0.0004 apart, `offset + factor * cost`.
fn pulls(scale: CostScale, rounds: u64, seed: u64, (factor, offset): (f64, f64)) -> Vec<u64> {
    let leaf = ArmNode::Leaf {
        arms: (0..4).collect(),
        delta: 0.0,
    };
    let mut bandit = TreeBandit::new(Arc::new(ArmTree::new(vec![leaf]).unwrap()), scale);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let noise = Normal::new(0.0, 0.0001).unwrap();
    for _ in 0..rounds {
        let arm = bandit.choose(Policy::FlatLcb, &mut rng);
        let mean = 0.7812 - 0.0004 * arm as f64;
        let cost = offset + factor * (mean + noise.sample(&mut rng));
        bandit.record(arm, cost).unwrap();
    }
    (0..4).map(|arm| bandit.statistics().pulls(arm)).collect()
}

/// The constant of Eq. 2 is 1.39 after 28 rounds, 3,000 times what the arms differ by: every arm gets its quarter.
/// In units of the spread the best arm gets most pulls, and more of them with time.
#[test]
fn nearly_equal_costs_are_told_apart_in_units_of_their_spread() {
    let share = |rounds: u64| {
        let best = |seed| pulls(CostScale::Spread, rounds, seed, (1.0, 0.0))[3];
        let pulled: u64 = (0..100).map(best).sum();
        pulled as f64 / (100 * rounds) as f64
    };
    for seed in 0..100 {
        assert_eq!(pulls(CostScale::Unit, 28, seed, (1.0, 0.0)), [7, 7, 7, 7]);
    }
    let shares = [28, 280].map(share);
    assert!(shares[0] > 0.4 && shares[1] > 0.8, "{shares:?}");
}

#[test]
fn choices_do_not_depend_on_the_unit_or_the_offset_of_the_costs() {
    for seed in 0..20 {
        let plain = pulls(CostScale::Spread, 100, seed, (1.0, 0.0));
        let moved = pulls(CostScale::Spread, 100, seed, (0.25, 64.0));
        assert_eq!(plain, moved);
    }
}

/// Without a spread nothing speaks against exploring.
#[test]
fn equal_costs_are_explored_evenly() {
    let tree = Arc::new(ArmTree::balanced(8, |_| 0.0).unwrap());
    let mut bandit = TreeBandit::new(tree, CostScale::Spread);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    for _ in 0..80 {
        let arm = bandit.choose(Policy::FlatLcb, &mut rng);
        bandit.record(arm, 0.3).unwrap();
    }
    assert!((0..8).all(|arm| bandit.statistics().pulls(arm) == 10));
}

/// 64 arms in 8 clusters, 64 rounds, noise of 0.1, 100 runs (`docs/bandit-regret.md` has the table).
#[test]
fn the_best_cluster_gets_its_pulls_on_the_tree_and_in_units_of_the_spread_alone() {
    let share = |policy, scale| {
        let config = RegretConfig {
            arms: vec![64],
            rounds: 64,
            seeds: 100,
            eta: 0.25,
            scale,
            landscapes: vec![Landscape::Clusters],
            policies: vec![policy],
            ..RegretConfig::default()
        };
        simulate(&config).unwrap().results[0].near_optimal_share
    };
    let tree = share(Policy::TreeLcb, CostScale::Spread);
    let constant = share(Policy::TreeLcb, CostScale::Unit);
    let flat = share(Policy::FlatLcb, CostScale::Spread);
    assert!(tree > 0.72, "{tree}");
    assert!(constant < 0.35, "{constant}");
    assert!(flat < 0.16, "{flat}");
}

#[test]
fn a_probe_of_the_tree_gains_what_an_exhaustive_search_gains() {
    let config = |clusters| RegretConfig {
        arms: vec![100],
        seeds: 400,
        clusters,
        landscapes: vec![Landscape::Clusters, Landscape::Shuffled],
        ..RegretConfig::default()
    };
    let report = compare_probes(&config(8)).unwrap();
    let [clusters, shuffled] = &report.results[..] else {
        panic!("two landscapes: {report}");
    };
    assert_eq!(clusters.pulls, 17);
    assert!(clusters.tree > 0.93, "{report}");
    assert!(
        clusters.tree - clusters.flat > 2.0 * clusters.difference_error,
        "{report}"
    );
    // A tree that tells nothing is no better than drawing at random.
    assert!(shuffled.tree - shuffled.flat < 0.05, "{report}");
    let many = &compare_probes(&config(16)).unwrap().results[0];
    assert!(many.tree - many.flat > 0.1, "{many:?}");
}

#[test]
fn the_deltas_of_a_tree_count_by_their_ratio_alone() {
    let chosen = |factor: f64, seed: u64| {
        let tree = ArmTree::balanced(32, |depth| factor * 0.9f64.powi(depth as i32)).unwrap();
        let mut bandit = TreeBandit::new(Arc::new(tree), CostScale::Spread);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let means: Vec<f64> = (0..32).map(|_| rng.random()).collect();
        let pull = |_| {
            let arm = bandit.choose(Policy::TreeLcb, &mut rng);
            let cost = 0.8 * means[arm] + 0.2 * rng.random::<f64>();
            bandit.record(arm, cost).unwrap();
            arm
        };
        (0..200).map(pull).collect::<Vec<usize>>()
    };
    let different = |factor| (0..10).filter(move |&seed| chosen(1.0, seed) != chosen(factor, seed));
    assert_eq!(different(1024.0).count(), 0);
    assert!(different(0.0).count() > 5, "the deltas count");
}
