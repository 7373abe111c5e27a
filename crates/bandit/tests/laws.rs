//! Properties that hold for every tree and every sequence of costs.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use proptest::prelude::*;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use treelora_bandit::{
    ArmNode, ArmStatistics, ArmTree, CostScale, Policy, TreeBandit, lower_confidence_bound,
};

/// A random tree: random sizes of the subtrees, leaves of up to `widest` arms, shuffled arms.
fn random_tree(arms: usize, widest: usize, rng: &mut impl Rng) -> ArmTree {
    let mut order: Vec<usize> = (0..arms).collect();
    for i in (1..arms).rev() {
        order.swap(i, rng.random_range(0..=i));
    }
    let mut nodes = Vec::new();
    let mut ranges = vec![(0, arms)];
    let mut next = 0;
    while let Some(&(start, end)) = ranges.get(next) {
        next += 1;
        let delta = rng.random_range(0.0..0.6);
        let size = end - start;
        if size <= 1 + rng.random_range(0..widest) {
            let arms = order[start..end].to_vec();
            nodes.push(ArmNode::Leaf { arms, delta });
        } else {
            let middle = start + rng.random_range(1..size);
            let left = ranges.len();
            ranges.extend([(start, middle), (middle, end)]);
            nodes.push(ArmNode::Inner {
                left,
                right: left + 1,
                delta,
            });
        }
    }
    ArmTree::new(nodes).unwrap()
}

/// Eq. 2 written down as it stands, recomputed from the statistics: (LCB, pulls, sum, arm).
fn full_recursion(
    tree: &ArmTree,
    statistics: &ArmStatistics,
    round: u64,
    node: usize,
) -> (f64, u64, f64, usize) {
    let unit = statistics.unit();
    let parts: Vec<(f64, u64, f64, usize)> = match &tree.nodes()[node] {
        ArmNode::Inner { left, right, .. } => [*left, *right]
            .map(|child| full_recursion(tree, statistics, round, child))
            .to_vec(),
        ArmNode::Leaf { arms, .. } => arms
            .iter()
            .map(|&arm| {
                let (mean, pulls) = (statistics.mean(arm).unwrap_or(0.0), statistics.pulls(arm));
                let bound = lower_confidence_bound(mean / unit, pulls, round);
                (bound, pulls, mean * pulls as f64, arm)
            })
            .collect(),
    };
    let mut smallest = parts[0];
    for part in &parts[1..] {
        if part.0 < smallest.0 {
            smallest = *part;
        }
    }
    let pulls: u64 = parts.iter().map(|part| part.1).sum();
    let sum: f64 = parts.iter().map(|part| part.2).sum();
    let delta = match statistics.scale() {
        CostScale::Spread => tree.nodes()[node].delta() / tree.nodes()[0].delta(),
        _ => tree.nodes()[node].delta(),
    };
    let pooled = lower_confidence_bound(sum / pulls.max(1) as f64 / unit, pulls, round) - delta;
    (smallest.0.max(pooled), pulls, sum, smallest.3)
}

fn follows_the_full_recursion(arms: usize, widest: usize, scale: CostScale, seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let tree = Arc::new(random_tree(arms, widest, &mut rng));
    let means: Vec<f64> = (0..arms).map(|_| rng.random()).collect();
    let mut bandit = TreeBandit::new(Arc::clone(&tree), scale);
    for step in 0..600 {
        let round = bandit.round();
        assert_eq!(round, step + 1);
        let chosen = bandit.choose(Policy::TreeLcb, &mut rng);
        let expected = full_recursion(&tree, bandit.statistics(), round, 0);
        let bounds = bandit.node_bounds();
        for (node, bound) in bounds.iter().enumerate() {
            let full = full_recursion(&tree, bandit.statistics(), round, node).0;
            assert!(
                *bound == full || (bound - full).abs() < 1e-9,
                "seed {seed} round {round} node {node}: {bound} {full}"
            );
        }
        assert_eq!(chosen, expected.3, "seed {seed} round {round}");
        // Now and then another arm than the chosen one, so that the caches see every order.
        let arm = match rng.random_range(0..5) {
            0 => rng.random_range(0..arms),
            _ => chosen,
        };
        let noise: f64 = rng.random_range(-0.2..0.2);
        let cost = (means[arm] + noise).clamp(0.0, 1.0);
        let cost = match scale {
            CostScale::Unit => cost,
            CostScale::Raw => 50.0 * cost,
            CostScale::Spread => 7.0 + 0.001 * cost,
        };
        bandit.record(arm, cost).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_cached_choice_is_the_full_recursion(
        arms in 1usize..40, widest in 1usize..5, seed in any::<u64>(),
    ) {
        follows_the_full_recursion(arms, widest, CostScale::Unit, seed);
    }

    #[test]
    fn also_on_raw_costs(arms in 1usize..20, seed in any::<u64>()) {
        follows_the_full_recursion(arms, 2, CostScale::Raw, seed);
    }

    #[test]
    fn also_in_units_of_the_spread(arms in 1usize..20, seed in any::<u64>()) {
        follows_the_full_recursion(arms, 2, CostScale::Spread, seed);
    }

    #[test]
    fn a_tree_of_one_leaf_is_the_flat_bandit(arms in 1usize..30, seed in any::<u64>()) {
        let leaf = ArmNode::Leaf { arms: (0..arms).collect(), delta: 0.3 };
        let mut bandit =
            TreeBandit::new(Arc::new(ArmTree::new(vec![leaf]).unwrap()), CostScale::Unit);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for _ in 0..300 {
            let flat = bandit.choose(Policy::FlatLcb, &mut rng);
            prop_assert_eq!(bandit.choose(Policy::TreeLcb, &mut rng), flat);
            let cost = rng.random::<f64>();
            bandit.record(flat, cost).unwrap();
        }
    }

    #[test]
    fn a_rebuilt_bandit_chooses_the_same(arms in 1usize..30, seed in any::<u64>()) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let tree = Arc::new(random_tree(arms, 3, &mut rng));
        let mut kept = TreeBandit::new(Arc::clone(&tree), CostScale::Unit);
        for _ in 0..300 {
            let json = serde_json::to_string(kept.statistics()).unwrap();
            let statistics: ArmStatistics = serde_json::from_str(&json).unwrap();
            let mut rebuilt = TreeBandit::with_statistics(Arc::clone(&tree), statistics);
            let chosen = kept.choose(Policy::TreeLcb, &mut rng);
            prop_assert_eq!(rebuilt.choose(Policy::TreeLcb, &mut rng), chosen);
            let cost = rng.random::<f64>();
            kept.record(chosen, cost).unwrap();
        }
    }
}

#[test]
fn flat_choices_take_the_lowest_index_on_ties() {
    let tree = Arc::new(ArmTree::balanced(6, |_| 0.1).unwrap());
    let mut bandit = TreeBandit::new(tree, CostScale::Unit);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    for expected in (0..6).chain(0..6) {
        let arm = bandit.choose(Policy::FlatLcb, &mut rng);
        assert_eq!(arm, expected);
        bandit.record(arm, 0.5).unwrap();
    }
}

#[test]
fn the_same_seed_pulls_the_same_arms() {
    for policy in [
        Policy::TreeLcb,
        Policy::Uniform,
        Policy::Softmax { horizon: 200 },
    ] {
        let run = |seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let tree = Arc::new(ArmTree::balanced(16, |d| 0.5f64.powi(d as i32)).unwrap());
            let mut bandit = TreeBandit::new(tree, CostScale::Unit);
            (0..200)
                .map(|_| {
                    let arm = bandit.choose(policy, &mut rng);
                    bandit.record(arm, rng.random()).unwrap();
                    arm
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1), "{policy:?}");
        assert_ne!(run(1), run(2), "{policy:?}");
    }
}

/// Cost of a choice and its record in nodes visited, the mean over many rounds on known arms.
fn visited_nodes_a_round(arms: usize) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let tree = Arc::new(ArmTree::balanced(arms, |d| 0.8 * 0.7f64.powi(d as i32)).unwrap());
    let means: Vec<f64> = (0..arms).map(|_| rng.random()).collect();
    let mut bandit = TreeBandit::new(tree, CostScale::Unit);
    // Every arm known: the hardest state, in which every bound moves.
    for (arm, mean) in means.iter().enumerate() {
        bandit.record(arm, *mean).unwrap();
    }
    let (rounds, before) = (20_000, bandit.visited_nodes());
    for _ in 0..rounds {
        let arm = bandit.choose(Policy::TreeLcb, &mut rng);
        let cost = f64::from(u8::from(rng.random::<f64>() < means[arm]));
        bandit.record(arm, cost).unwrap();
    }
    (bandit.visited_nodes() - before) as f64 / f64::from(rounds)
}

/// O(depth): the way down and the way up of 10,000 arms visit `2 (depth + 1) = 30` nodes (those of 64 arms 14), and
/// expired nodes add few. A choice that visited every node would visit 19,999.
#[test]
fn choosing_among_ten_thousand_arms_visits_few_nodes() {
    let (few, many) = (visited_nodes_a_round(64), visited_nodes_a_round(10_000));
    assert!((13.0..20.0).contains(&few), "{few} among 64 arms");
    assert!((28.0..40.0).contains(&many), "{many} among 10,000 arms");
}
