//! What can go wrong with costs, trees and simulation settings that come from outside.

use crate::CostScale;

/// A cost, a tree or a setting that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BanditError {
    /// The cost is outside the range of its scale.
    #[error("cost {cost} of arm {arm} is not {}", scale.range())]
    Cost {
        /// The arm that was pulled.
        arm: usize,
        /// The cost that was observed.
        cost: f64,
        /// The scale that it violates.
        scale: CostScale,
    },
    /// A cost of one layer is outside the range; nothing of the round was recorded.
    #[error("layer {layer}: {source}")]
    Layer {
        /// The layer.
        layer: usize,
        /// The cost.
        source: Box<BanditError>,
    },
    /// A tree needs a root with an arm.
    #[error("the tree has no nodes")]
    EmptyTree,
    /// A node names a child that is not there.
    #[error("node {node} has child {child}, but the tree has {nodes} nodes")]
    ChildOutOfRange {
        /// The parent.
        node: usize,
        /// The missing child.
        child: usize,
        /// Number of nodes.
        nodes: usize,
    },
    /// Every node but the root (node 0) hangs below exactly one other node.
    #[error("node {node} hangs below {parents} nodes, expected {expected}")]
    Parents {
        /// The node.
        node: usize,
        /// How many nodes have it as a child.
        parents: usize,
        /// 0 for the root, else 1.
        expected: usize,
    },
    /// A cycle that the root does not reach.
    #[error("node {node} is not reached from the root")]
    Unreachable {
        /// The node.
        node: usize,
    },
    /// A leaf needs an arm.
    #[error("leaf {node} holds no arm")]
    EmptyLeaf {
        /// The leaf.
        node: usize,
    },
    /// Arms are `0..n`, each in exactly one leaf.
    #[error("arm {arm} is held {times} times, expected once among arms 0..{arms}")]
    ArmCount {
        /// The arm.
        arm: usize,
        /// How often leaves hold it.
        times: usize,
        /// Number of arms that the leaves hold.
        arms: usize,
    },
    /// A smoothness that is negative or not finite.
    #[error("node {node} has delta {delta}, expected a finite number from 0 up")]
    Delta {
        /// The node.
        node: usize,
        /// Its smoothness.
        delta: f64,
    },
    /// Statistics and tree do not fit.
    #[error("layer {layer} has statistics of {statistics} arms, the tree has {tree} arms")]
    ArmsDisagree {
        /// The layer.
        layer: usize,
        /// Arms in the statistics.
        statistics: usize,
        /// Arms in the tree.
        tree: usize,
    },
    /// Statistics that no sequence of costs can lead to.
    #[error("arm {arm}: {pulls} pulls with a cost sum of {sum} cannot come from {scale:?} costs")]
    Statistics {
        /// The arm.
        arm: usize,
        /// Its pulls.
        pulls: u64,
        /// Its summed cost.
        sum: f64,
        /// The scale.
        scale: CostScale,
    },
    /// A spread that no sequence of costs can lead to.
    #[error("squared deviations of the costs sum to {squares}, expected a finite number from 0 up")]
    Squares {
        /// The sum.
        squares: f64,
    },
    /// A setting of the simulation is out of range.
    #[error("setting `{key}` is {value}: {problem}")]
    Setting {
        /// The key.
        key: &'static str,
        /// What it was set to.
        value: String,
        /// What is allowed.
        problem: &'static str,
    },
}
