//! The tree whose leaves hold the arms.

use serde::{Deserialize, Serialize};

use crate::BanditError;

/// A node of an [`ArmTree`]; nodes name each other by their index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ArmNode {
    /// Two subtrees.
    Inner {
        /// Index of the left child, which wins ties.
        left: usize,
        /// Index of the right child.
        right: usize,
        /// Smoothness: how far the pooled mean cost below may lie above the best arm below, in
        /// units of the cost.
        delta: f64,
    },
    /// One arm, or several at the depth limit, among which the choice is flat.
    Leaf {
        /// The arms; the first wins ties.
        arms: Vec<usize>,
        /// Smoothness, as of an inner node; without effect for a single arm.
        delta: f64,
    },
}

impl ArmNode {
    /// The smoothness of the node.
    pub fn delta(&self) -> f64 {
        match self {
            Self::Inner { delta, .. } | Self::Leaf { delta, .. } => *delta,
        }
    }
}

/// A checked binary tree over arms `0..n`, root at node 0. It holds no statistics, so that several
/// layers share one behind an [`Arc`](std::sync::Arc).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<ArmNode>", into = "Vec<ArmNode>")]
pub struct ArmTree {
    nodes: Vec<ArmNode>,
    parents: Vec<usize>,
    leaves: Vec<usize>,
    bottom_up: Vec<usize>,
}

impl ArmTree {
    /// Check `nodes` (root first, other order free) and index them.
    ///
    /// # Errors
    /// Any [`BanditError`] about trees, naming the node or arm: every node but the root has one
    /// parent and is reached from the root, arms are `0..n` and each is in one leaf, no leaf is
    /// empty, smoothness is finite and not negative.
    pub fn new(nodes: Vec<ArmNode>) -> Result<Self, BanditError> {
        if nodes.is_empty() {
            return Err(BanditError::EmptyTree);
        }
        let parents = parents_of(&nodes)?;
        let mut top_down = Vec::with_capacity(nodes.len());
        let mut open = vec![0];
        while let Some(node) = open.pop() {
            top_down.push(node);
            if let ArmNode::Inner { left, right, .. } = nodes[node] {
                open.extend([left, right]);
            }
        }
        if top_down.len() < nodes.len() {
            let mut reached = vec![false; nodes.len()];
            top_down.iter().for_each(|&node| reached[node] = true);
            let node = reached.iter().position(|reached| !reached).unwrap_or(0);
            return Err(BanditError::Unreachable { node });
        }
        let leaves = leaves_of(&nodes)?;
        for (node, delta) in nodes.iter().map(ArmNode::delta).enumerate() {
            if !(delta >= 0.0 && delta.is_finite()) {
                return Err(BanditError::Delta { node, delta });
            }
        }
        top_down.reverse();
        Ok(Self {
            nodes,
            parents,
            leaves,
            bottom_up: top_down,
        })
    }

    /// A balanced tree over arms in index order, `delta_of(depth)` at each node of that depth.
    ///
    /// # Errors
    /// [`BanditError::EmptyTree`] without arms, [`BanditError::Delta`] for a bad smoothness.
    pub fn balanced(arms: usize, delta_of: impl Fn(usize) -> f64) -> Result<Self, BanditError> {
        if arms == 0 {
            return Err(BanditError::EmptyTree);
        }
        let mut nodes = Vec::with_capacity(2 * arms - 1);
        // Children are appended when their parent is taken up: breadth first.
        let mut ranges = vec![(0, arms, 0)];
        let mut next = 0;
        while let Some(&(start, end, depth)) = ranges.get(next) {
            next += 1;
            let delta = delta_of(depth);
            if end - start == 1 {
                nodes.push(ArmNode::Leaf {
                    arms: vec![start],
                    delta,
                });
            } else {
                let middle = start + (end - start).div_ceil(2);
                let left = ranges.len();
                ranges.extend([(start, middle, depth + 1), (middle, end, depth + 1)]);
                nodes.push(ArmNode::Inner {
                    left,
                    right: left + 1,
                    delta,
                });
            }
        }
        Self::new(nodes)
    }

    /// The nodes, root first.
    pub fn nodes(&self) -> &[ArmNode] {
        &self.nodes
    }

    /// Number of arms.
    pub fn num_arms(&self) -> usize {
        self.leaves.len()
    }

    /// The leaf that holds `arm`.
    ///
    /// # Panics
    /// When there is no such arm.
    pub fn leaf_of(&self, arm: usize) -> usize {
        self.leaves[arm]
    }

    /// The parent of `node`; none for the root.
    ///
    /// # Panics
    /// When there is no such node.
    pub fn parent(&self, node: usize) -> Option<usize> {
        (node != 0).then(|| self.parents[node])
    }

    /// Every node after its children.
    pub(crate) fn bottom_up(&self) -> &[usize] {
        &self.bottom_up
    }
}

impl TryFrom<Vec<ArmNode>> for ArmTree {
    type Error = BanditError;

    fn try_from(nodes: Vec<ArmNode>) -> Result<Self, BanditError> {
        Self::new(nodes)
    }
}

impl From<ArmTree> for Vec<ArmNode> {
    fn from(tree: ArmTree) -> Self {
        tree.nodes
    }
}

/// The parent of each node (the root's is itself).
fn parents_of(nodes: &[ArmNode]) -> Result<Vec<usize>, BanditError> {
    let mut parents = vec![0; nodes.len()];
    let mut counts = vec![0; nodes.len()];
    for (node, entry) in nodes.iter().enumerate() {
        let ArmNode::Inner { left, right, .. } = *entry else {
            continue;
        };
        for child in [left, right] {
            if child >= nodes.len() {
                return Err(BanditError::ChildOutOfRange {
                    node,
                    child,
                    nodes: nodes.len(),
                });
            }
            parents[child] = node;
            counts[child] += 1;
        }
    }
    for (node, &count) in counts.iter().enumerate() {
        let expected = usize::from(node != 0);
        if count != expected {
            return Err(BanditError::Parents {
                node,
                parents: count,
                expected,
            });
        }
    }
    Ok(parents)
}

/// The leaf of each arm.
fn leaves_of(nodes: &[ArmNode]) -> Result<Vec<usize>, BanditError> {
    let mut held = Vec::new();
    for (node, entry) in nodes.iter().enumerate() {
        if let ArmNode::Leaf { arms, .. } = entry {
            if arms.is_empty() {
                return Err(BanditError::EmptyLeaf { node });
            }
            held.extend(arms.iter().map(|&arm| (arm, node)));
        }
    }
    held.sort_unstable();
    for (expected, &(arm, _)) in held.iter().enumerate() {
        if arm != expected {
            // Sorted: a repeated arm falls behind the count, a gap runs ahead of it.
            let wrong = arm.min(expected);
            return Err(BanditError::ArmCount {
                arm: wrong,
                times: held.iter().filter(|(arm, _)| *arm == wrong).count(),
                arms: held.len(),
            });
        }
    }
    Ok(held.into_iter().map(|(_, leaf)| leaf).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn inner(left: usize, right: usize) -> ArmNode {
        ArmNode::Inner {
            left,
            right,
            delta: 0.5,
        }
    }

    fn leaf(arms: &[usize]) -> ArmNode {
        ArmNode::Leaf {
            arms: arms.to_vec(),
            delta: 0.0,
        }
    }

    #[test]
    fn broken_trees_are_refused_by_name() {
        let negative = ArmNode::Leaf {
            arms: vec![0],
            delta: -1.0,
        };
        for (nodes, said) in [
            (vec![], "no nodes"),
            (vec![inner(1, 2), leaf(&[0])], "child 2"),
            (vec![inner(1, 1), leaf(&[0])], "below 2 nodes"),
            (vec![inner(0, 1), leaf(&[0])], "node 0 hangs below 1"),
            (vec![leaf(&[0]), leaf(&[1])], "node 1 hangs below 0"),
            (
                vec![leaf(&[0]), inner(1, 2), leaf(&[1])],
                "node 1 is not reached",
            ),
            (vec![inner(1, 2), leaf(&[0]), leaf(&[])], "leaf 2"),
            (
                vec![inner(1, 2), leaf(&[0]), leaf(&[0])],
                "arm 0 is held 2 times",
            ),
            (
                vec![inner(1, 2), leaf(&[0]), leaf(&[2])],
                "arm 1 is held 0 times",
            ),
            (vec![negative], "delta -1"),
        ] {
            let error = ArmTree::new(nodes).unwrap_err().to_string();
            assert!(error.contains(said), "{error} / {said}");
        }
    }

    #[test]
    fn a_balanced_tree_halves() {
        let tree = ArmTree::balanced(5, |depth| 0.5f64.powi(depth as i32)).unwrap();
        assert_eq!((tree.num_arms(), tree.nodes().len()), (5, 9));
        let depth_of = |arm: usize| {
            let mut node = tree.leaf_of(arm);
            let mut depth = 0;
            while let Some(parent) = tree.parent(node) {
                (node, depth) = (parent, depth + 1);
            }
            depth
        };
        assert_eq!((0..5).map(depth_of).collect::<Vec<_>>(), [3, 3, 2, 2, 2]);
    }
}
