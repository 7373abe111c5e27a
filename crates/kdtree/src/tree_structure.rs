//! The tree without its signatures: what is stored as JSON, drawn, and handed to a bandit.

use serde::{Deserialize, Serialize, de::IgnoredAny};

use crate::{Split, TreeConfig, TreeError};

/// A node; nodes name each other by their index in [`TreeStructure::nodes`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "StoredNode")]
pub struct Node {
    /// Depth of the node, and, with [`Levels::Layers`](crate::Levels::Layers), the layer that it looks at.
    pub level: usize,
    /// With [`Smoothness::Diameter`](crate::Smoothness::Diameter) a bound on how far costs below the node differ, see
    /// there. With [`Smoothness::ToMean`](crate::Smoothness::ToMean): the largest relative L1 distance `||G_k - mean||_1 / (||G_k||_1 + ||mean||_1)`
    /// of a task below to the node's mean, at the node's layer (a leaf at the depth limit below the
    /// last layer: at the last layer). In `[0, 1]`, the units of the bandit's relative costs; 0 for
    /// a single task. A measured radius, not a proven bound on Eq. 2's smoothness: two tasks
    /// within the radius may be up to twice as far from each other, another layer than the node's
    /// may see them farther apart, and increments have no such relation to costs at all.
    pub delta: f64,
    /// Leaf or inner node.
    pub kind: NodeKind,
}

/// Leaf or inner node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum NodeKind {
    /// One task, or several at the depth limit, in task order.
    Leaf {
        /// The tasks.
        tasks: Vec<usize>,
    },
    /// Two branches.
    Inner {
        /// The more similar tasks, or the one side of the principal component.
        left: usize,
        /// The less similar tasks, or the other side.
        right: usize,
        /// How they were divided.
        split: Split,
    },
}

/// Nodes over tasks `0..n`, root at node 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct TreeStructure {
    pub(crate) config: TreeConfig,
    pub(crate) layers: usize,
    pub(crate) features: usize,
    pub(crate) weights: Vec<u64>,
    pub(crate) nodes: Vec<Node>,
}

impl TreeStructure {
    /// The settings that it was built with.
    pub fn config(&self) -> &TreeConfig {
        &self.config
    }

    /// Number of layers of the signatures.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// Width of each layer's vector.
    pub fn features(&self) -> usize {
        self.features
    }

    /// How many original tasks each task stands for: 1, more after merging.
    pub fn weights(&self) -> &[u64] {
        &self.weights
    }

    /// Number of tasks.
    pub fn num_tasks(&self) -> usize {
        self.weights.len()
    }

    /// The nodes, root first; parents come before their children.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Levels of inner nodes on the longest way from the root; 0 for a single leaf.
    pub fn depth(&self) -> usize {
        self.nodes.iter().map(|node| node.level).max().unwrap_or(0)
    }

    /// The tasks below `node`, in task order.
    ///
    /// # Panics
    /// When there is no such node.
    pub fn tasks_below(&self, node: usize) -> Vec<usize> {
        let mut tasks = Vec::new();
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            match &self.nodes[node].kind {
                NodeKind::Leaf { tasks: held } => tasks.extend(held),
                NodeKind::Inner { left, right, .. } => open.extend([*left, *right]),
            }
        }
        tasks.sort_unstable();
        tasks
    }

    /// The leaves from left to right: node and tasks.
    pub fn leaves(&self) -> Vec<(usize, &[usize])> {
        let mut leaves = Vec::new();
        let mut open = vec![0];
        while let Some(node) = open.pop() {
            match &self.nodes[node].kind {
                NodeKind::Leaf { tasks } => leaves.push((node, tasks.as_slice())),
                NodeKind::Inner { left, right, .. } => open.extend([*right, *left]),
            }
        }
        leaves
    }

    /// The leaf that holds `task`.
    ///
    /// # Panics
    /// When there is no such task.
    pub fn leaf_of(&self, task: usize) -> usize {
        let holds =
            |node: &Node| matches!(&node.kind, NodeKind::Leaf { tasks } if tasks.contains(&task));
        match self.nodes.iter().position(holds) {
            Some(leaf) => leaf,
            None => panic!("task {task} of {} tasks", self.num_tasks()),
        }
    }

    fn validate(&self) -> Result<(), TreeError> {
        let broken = |problem: String| Err(TreeError::Structure { problem });
        let limit = self.config.depth_limit(self.layers)?;
        if self.nodes.is_empty() {
            return broken("no nodes".into());
        }
        let mut parents = vec![0; self.nodes.len()];
        let mut holders = vec![0; self.num_tasks()];
        for (index, node) in self.nodes.iter().enumerate() {
            if !(0.0..=1.0).contains(&node.delta) {
                return broken(format!("node {index} has delta {}", node.delta));
            }
            if node.level > limit {
                return broken(format!(
                    "node {index} is at level {} of {limit}",
                    node.level
                ));
            }
            match &node.kind {
                NodeKind::Leaf { tasks } if tasks.is_empty() => {
                    return broken(format!("leaf {index} holds no task"));
                }
                NodeKind::Leaf { tasks } => {
                    for &task in tasks {
                        match holders.get_mut(task) {
                            Some(count) => *count += 1,
                            None => return broken(format!("leaf {index} holds task {task}")),
                        }
                    }
                }
                NodeKind::Inner { left, right, .. } => {
                    for &child in [left, right] {
                        // Children after parents: with one parent each, no cycle is possible.
                        let level = self.nodes.get(child).map(|child| child.level);
                        if child <= index || level != Some(node.level + 1) {
                            return broken(format!("node {index} has child {child}"));
                        }
                        parents[child] += 1;
                    }
                }
            }
        }
        if self.nodes[0].level != 0 {
            return broken(format!("the root is at level {}", self.nodes[0].level));
        }
        if let Some(node) = (1..parents.len()).find(|&node| parents[node] != 1) {
            return broken(format!("node {node} hangs below {} nodes", parents[node]));
        }
        match holders.iter().position(|&count| count != 1) {
            Some(task) => broken(format!("task {task} is in {} leaves", holders[task])),
            None => Ok(()),
        }
    }
}

/// What a stored node may hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredNode {
    level: usize,
    delta: f64,
    kind: NodeKind,
    /// Always 0 in trees stored when a task could be inserted without measuring the splits anew.
    #[serde(default, rename = "inserted")]
    _inserted: IgnoredAny,
}

impl From<StoredNode> for Node {
    fn from(stored: StoredNode) -> Self {
        Self {
            level: stored.level,
            delta: stored.delta,
            kind: stored.kind,
        }
    }
}

/// The stored form, checked on reading.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    config: TreeConfig,
    layers: usize,
    features: usize,
    weights: Vec<u64>,
    nodes: Vec<Node>,
}

impl From<TreeStructure> for Stored {
    fn from(tree: TreeStructure) -> Self {
        Self {
            config: tree.config,
            layers: tree.layers,
            features: tree.features,
            weights: tree.weights,
            nodes: tree.nodes,
        }
    }
}

impl TryFrom<Stored> for TreeStructure {
    type Error = TreeError;

    fn try_from(stored: Stored) -> Result<Self, TreeError> {
        let tree = Self {
            config: stored.config,
            layers: stored.layers,
            features: stored.features,
            weights: stored.weights,
            nodes: stored.nodes,
        };
        tree.validate()?;
        Ok(tree)
    }
}
