//! From a tree over tasks to a tree over arms.

use treelora_bandit::{ArmNode, ArmTree};
use treelora_kdtree::{NodeKind, TreeStructure};

/// The tree as the bandits see it: spreads and leaves, no signatures.
pub(crate) fn arm_tree(structure: &TreeStructure) -> ArmTree {
    let nodes = structure.nodes().iter().map(|node| match &node.kind {
        NodeKind::Inner { left, right, .. } => ArmNode::Inner {
            left: *left,
            right: *right,
            delta: node.delta,
        },
        NodeKind::Leaf { tasks } => ArmNode::Leaf {
            arms: tasks.clone(),
            delta: node.delta,
        },
    });
    ArmTree::new(nodes.collect()).expect("a gradient tree partitions its tasks")
}
