//! The best arm from few pulls: when a pull costs a forward pass, and only the arm that comes out counts.

use std::sync::Arc;

use crate::{ArmStatistics, ArmTree, BanditError, CostScale, TreeBandit};

/// What a probe found.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// The arm of the smallest observed mean cost, the lowest index on ties.
    pub best: usize,
    /// Pulls and mean costs of all arms.
    pub statistics: ArmStatistics,
}

/// Pulls that a search down the tree needs: `2 log2(arms) + 4`, rounded down.
///
/// Both children of each node on the way to a leaf are tried once, `2 log2(arms)`; the rest is for second thoughts.
///
/// # Panics
/// Without arms.
pub fn probe_budget(arms: usize) -> u64 {
    assert!(arms > 0, "no arms to probe");
    (2.0 * (arms as f64).log2()) as u64 + 4
}

/// Look for the arm of the smallest cost with `pulls` pulls.
///
/// Pulls follow the lower confidence bound on the tree (Eq. 2 of TreeLoRA, after Coquelin and Munos 2007) in units of
/// the observed spread ([`CostScale::Spread`]). With as many pulls as arms no tree is needed: each arm is pulled once,
/// and the rest by the same bound without the tree.
///
/// ```
/// use std::sync::Arc;
/// use treelora_bandit::{ArmTree, BanditError, probe, probe_budget};
///
/// let tree = ArmTree::balanced(64, |depth| 0.5f64.powi(depth as i32))?;
/// let loss = |arm: usize| Ok::<f64, BanditError>(2.0 + 0.01 * (arm as f64 - 40.0).abs());
/// let found = probe(&Arc::new(tree), probe_budget(64), loss)?;
/// assert_eq!(found.statistics.total_pulls(), 16);
/// assert!(found.best.abs_diff(40) < 4);
/// # Ok::<(), BanditError>(())
/// ```
///
/// # Errors
/// What `cost_of` gives; [`BanditError::Cost`] for a cost that is negative or not finite.
///
/// # Panics
/// Without pulls.
pub fn probe<E: From<BanditError>>(
    tree: &Arc<ArmTree>,
    pulls: u64,
    mut cost_of: impl FnMut(usize) -> Result<f64, E>,
) -> Result<Probe, E> {
    assert!(pulls > 0, "a probe needs a pull");
    let mut bandit = TreeBandit::new(Arc::clone(tree), CostScale::Spread);
    let on_the_tree = pulls < tree.num_arms() as u64;
    for _ in 0..pulls {
        let arm = match on_the_tree {
            true => bandit.tree_choice(),
            false => bandit.flat_choice(),
        };
        bandit.record(arm, cost_of(arm)?)?;
    }
    let statistics = bandit.statistics().clone();
    Ok(Probe {
        best: statistics.best().expect("an arm was pulled"),
        statistics,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_logarithmic() {
        let budgets = [1, 16, 100, 128].map(probe_budget);
        assert_eq!(budgets, [4, 12, 17, 18]);
    }

    #[test]
    fn few_arms_are_all_pulled_and_errors_come_through() {
        let tree = Arc::new(ArmTree::balanced(5, |_| 0.5).unwrap());
        let costs = [3.0, 2.0, 4.0, 1.0, 5.0];
        let found = probe(&tree, 5, |arm| Ok::<_, BanditError>(costs[arm])).unwrap();
        assert_eq!(found.best, 3);
        assert!((0..5).all(|arm| found.statistics.pulls(arm) == 1));
        let error = probe(&tree, 3, |_| Ok::<_, BanditError>(f64::NAN)).unwrap_err();
        assert!(error.to_string().contains("NaN"), "{error}");
        let failed = BanditError::EmptyTree;
        let error = probe(&tree, 3, |_| Err::<f64, _>(failed.clone())).unwrap_err();
        assert_eq!(error, failed);
    }
}
