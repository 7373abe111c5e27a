//! The tree bandit of one layer: statistics, pooled bounds, and a choice in O(depth).

use std::sync::Arc;

use rand::Rng;

use crate::{
    ArmNode, ArmStatistics, ArmTree, BanditError, CostScale, Policy,
    lower_confidence_bound::{BoundLine, exploration},
};

/// Statistics of one layer on a shared [`ArmTree`].
///
/// # What is computed
/// Exactly Eq. 2 in the reading of Coquelin and Munos, at every round `t = total pulls + 1`:
///
/// ```text
/// arm k:   LCB_k = mu_k - 2 sqrt(ln t / n_k)                 (n_k = 0: -inf)
/// node i:  LCB_i = max( min over children LCB_j , mu_i - 2 sqrt(ln t / n_i) - delta_i )
/// ```
///
/// (means and deltas in the units of the [`CostScale`]) with `n_i`, `mu_i` pooled over the arms below `i`; the children of a leaf are its arms. From the
/// root the choice follows the child of the smaller LCB, the left child and the first arm on ties.
///
/// # Why it is cheap
/// A pull changes the nodes between its arm and the root; everything else moves with `ln t` alone.
/// In `s = sqrt(ln t)` each bound is a straight line, so each node stores the line that currently is
/// its LCB, the child that currently is smallest, and the `s` at which the first of these facts below
/// it can change (a kinetic tournament). A choice refreshes only what has expired, then walks down:
/// O(depth) and, amortised, few expired nodes. All of it follows from the [`ArmStatistics`]; only
/// those are stored, and a rebuilt bandit makes the same choices bit by bit.
#[derive(Clone, Debug)]
pub struct TreeBandit {
    tree: Arc<ArmTree>,
    statistics: ArmStatistics,
    unit: f64,
    /// What a node's delta is divided by.
    delta_unit: f64,
    arms: Vec<BoundLine>,
    nodes: Vec<NodeState>,
    /// `sqrt(ln t)` of the last refresh.
    now: f64,
    /// Nodes looked at so far.
    visited: u64,
}

#[derive(Clone, Copy, Debug)]
struct NodeState {
    pulls: u64,
    sum: f64,
    /// The line that is the node's LCB.
    bound: BoundLine,
    /// Position of the child (0 left, 1 right) or of the arm in its leaf with the smallest LCB.
    smallest: usize,
    /// Until which `sqrt(ln t)` this state and all states below hold.
    expires: f64,
}

impl TreeBandit {
    /// A bandit without pulls.
    pub fn new(tree: Arc<ArmTree>, scale: CostScale) -> Self {
        let statistics = ArmStatistics::new(tree.num_arms(), scale);
        Self::with_statistics(tree, statistics)
    }

    /// A bandit that goes on from stored statistics.
    ///
    /// # Panics
    /// When the statistics are not of the tree's arms.
    pub fn with_statistics(tree: Arc<ArmTree>, statistics: ArmStatistics) -> Self {
        assert_eq!(
            statistics.len(),
            tree.num_arms(),
            "arms of the statistics and of the tree"
        );
        let unpulled = BoundLine::new(0, 0.0, 1.0, 0.0);
        let mut bandit = Self {
            arms: vec![unpulled; tree.num_arms()],
            nodes: vec![
                NodeState {
                    pulls: 0,
                    sum: 0.0,
                    bound: unpulled,
                    smallest: 0,
                    expires: 0.0,
                };
                tree.nodes().len()
            ],
            unit: statistics.unit(),
            delta_unit: delta_unit(&tree, statistics.scale()),
            tree,
            statistics,
            now: 0.0,
            visited: 0,
        };
        bandit.refresh_all();
        bandit
    }

    /// The arm to compare with next. Lower confidence bounds ignore `rng`; they are deterministic.
    ///
    /// Cost: [`Policy::TreeLcb`] O(depth) amortised, [`Policy::Uniform`] O(1), the others O(arms).
    pub fn choose(&mut self, policy: Policy, rng: &mut impl Rng) -> usize {
        match policy {
            Policy::TreeLcb => self.tree_choice(),
            Policy::FlatLcb => self.flat_choice(),
            Policy::Uniform => crate::policy::uniform(self.arms.len(), rng),
            Policy::Softmax { horizon } => {
                crate::policy::softmax(&self.statistics, self.round(), horizon, rng)
            }
        }
    }

    /// Add the observed cost of `arm`. O(depth); a leaf of several arms is scanned. With
    /// [`CostScale::Raw`] a new largest cost rescales every bound, O(arms), with [`CostScale::Spread`] nearly every cost.
    ///
    /// # Errors
    /// [`BanditError::Cost`] for a cost outside the scale; nothing changes then.
    ///
    /// # Panics
    /// When there is no such arm.
    pub fn record(&mut self, arm: usize, cost: f64) -> Result<(), BanditError> {
        self.statistics.record(arm, cost)?;
        if self.statistics.unit() != self.unit {
            self.unit = self.statistics.unit();
            self.refresh_all();
            return Ok(());
        }
        self.refresh_arm(arm);
        let mut next = Some(self.tree.leaf_of(arm));
        while let Some(node) = next {
            self.refresh_node(node);
            next = self.tree.parent(node);
        }
        Ok(())
    }

    /// `t`, the round of the next choice: pulls so far, plus one.
    pub fn round(&self) -> u64 {
        self.nodes[0].pulls + 1
    }

    /// `LCB_i` of every node of the tree at the next choice, in the order of [`ArmTree::nodes`].
    pub fn node_bounds(&mut self) -> Vec<f64> {
        self.advance();
        self.nodes.iter().map(|n| n.bound.at(self.now)).collect()
    }

    /// The statistics per arm.
    pub fn statistics(&self) -> &ArmStatistics {
        &self.statistics
    }

    /// Nodes that this bandit has looked at since it was made: refreshed, found to be up to date, or passed on the way
    /// down by [`Policy::TreeLcb`]. The cost of choosing and recording in steps, whatever the machine.
    pub fn visited_nodes(&self) -> u64 {
        self.visited
    }

    /// The shared tree.
    pub fn tree(&self) -> &Arc<ArmTree> {
        &self.tree
    }

    pub(crate) fn tree_choice(&mut self) -> usize {
        self.advance();
        let mut node = 0;
        loop {
            self.visited += 1;
            let smallest = self.nodes[node].smallest;
            match &self.tree.nodes()[node] {
                ArmNode::Inner { left, right, .. } => node = [*left, *right][smallest],
                ArmNode::Leaf { arms, .. } => return arms[smallest],
            }
        }
    }

    pub(crate) fn flat_choice(&self) -> usize {
        let s = exploration(self.round());
        first_smallest(self.arms.iter().map(|line| line.at(s)))
    }

    /// Bring every node to the current round.
    fn advance(&mut self) {
        self.now = exploration(self.round());
        self.refresh_expired(0);
    }

    fn refresh_expired(&mut self, node: usize) {
        if self.nodes[node].expires > self.now {
            self.visited += 1;
            return;
        }
        if let ArmNode::Inner { left, right, .. } = self.tree.nodes()[node] {
            self.refresh_expired(left);
            self.refresh_expired(right);
        }
        self.refresh_node(node);
    }

    fn refresh_all(&mut self) {
        for arm in 0..self.arms.len() {
            self.refresh_arm(arm);
        }
        let tree = Arc::clone(&self.tree);
        for &node in tree.bottom_up() {
            self.refresh_node(node);
        }
    }

    fn refresh_arm(&mut self, arm: usize) {
        let (pulls, sum) = (self.statistics.pulls(arm), self.statistics.sum(arm));
        self.arms[arm] = BoundLine::new(pulls, sum, self.unit, 0.0);
    }

    /// Recompute one node from its children, which must be up to date at `now`.
    ///
    /// Sums are pooled from the children rather than counted along, so that they depend on the
    /// statistics alone and not on the order of the pulls.
    fn refresh_node(&mut self, node: usize) {
        self.visited += 1;
        let s = self.now;
        let (pulls, sum, below, smallest, expires) = match &self.tree.nodes()[node] {
            ArmNode::Inner { left, right, .. } => {
                let (l, r) = (&self.nodes[*left], &self.nodes[*right]);
                let (smallest, expires) = tournament([&l.bound, &r.bound].into_iter(), s);
                (
                    l.pulls + r.pulls,
                    l.sum + r.sum,
                    [l.bound, r.bound][smallest],
                    smallest,
                    expires.min(l.expires).min(r.expires),
                )
            }
            ArmNode::Leaf { arms, .. } => {
                let lines = arms.iter().map(|&arm| &self.arms[arm]);
                let (smallest, expires) = tournament(lines, s);
                (
                    arms.iter().map(|&arm| self.statistics.pulls(arm)).sum(),
                    arms.iter().map(|&arm| self.statistics.sum(arm)).sum(),
                    self.arms[arms[smallest]],
                    smallest,
                    expires,
                )
            }
        };
        let delta = self.tree.nodes()[node].delta() / self.delta_unit;
        let pooled = BoundLine::new(pulls, sum, self.unit, delta);
        let (bound, lower) = match pooled.at(s) > below.at(s) {
            true => (pooled, below),
            false => (below, pooled),
        };
        self.nodes[node] = NodeState {
            pulls,
            sum,
            bound,
            smallest,
            expires: expires.min(lower.stays_below(&bound, s)),
        };
    }
}

/// 1, or the root's delta where only the ratios between deltas count.
fn delta_unit(tree: &ArmTree, scale: CostScale) -> f64 {
    match (scale, tree.nodes()[0].delta()) {
        (CostScale::Spread, root) if root > 0.0 => root,
        _ => 1.0,
    }
}

/// Position of the first smallest value.
fn first_smallest(values: impl Iterator<Item = f64>) -> usize {
    let mut smallest = (0, f64::INFINITY);
    for (position, value) in values.enumerate() {
        if value < smallest.1 {
            smallest = (position, value);
        }
    }
    smallest.0
}

/// The first smallest line at `s`, and until when it certainly is.
fn tournament<'a>(lines: impl Iterator<Item = &'a BoundLine> + Clone, s: f64) -> (usize, f64) {
    let position = first_smallest(lines.clone().map(|line| line.at(s)));
    let Some(winner) = lines.clone().nth(position) else {
        return (0, f64::INFINITY);
    };
    let expires = lines
        .map(|line| winner.stays_below(line, s))
        .fold(f64::INFINITY, f64::min);
    (position, expires)
}
