//! A tree with names for its tasks.

use crate::{Levels, Node, NodeKind, Split, TreeStructure};

/// A tree with a name per task; `Display` prints it as plain text.
#[derive(Clone, Copy, Debug)]
pub struct NamedTree<'a, N> {
    pub(super) tree: &'a TreeStructure,
    names: &'a [N],
}

impl TreeStructure {
    /// The tree with names for its tasks, in task order; a task without one is `task <number>`.
    pub fn named<'a, N: AsRef<str>>(&'a self, names: &'a [N]) -> NamedTree<'a, N> {
        NamedTree { tree: self, names }
    }
}

impl<N: AsRef<str>> NamedTree<'_, N> {
    fn name(&self, task: usize) -> String {
        match self.names.get(task) {
            Some(name) => name.as_ref().to_owned(),
            None => format!("task {task}"),
        }
    }

    /// The tasks of a leaf or what an inner node did.
    pub(super) fn label(&self, node: &Node) -> String {
        let label = match &node.kind {
            NodeKind::Leaf { tasks } => {
                let names: Vec<String> = tasks.iter().map(|&task| self.name(task)).collect();
                return names.join(", ");
            }
            NodeKind::Inner { split, .. } => {
                let level = match self.tree.config.levels {
                    Levels::Layers => format!("layer {}", node.level),
                    Levels::Whole => format!("level {}", node.level),
                };
                match split {
                    Split::Median { .. } => level,
                    Split::Ties { .. } => format!("{level}, ties at the median"),
                    Split::Halved => format!("{level}, halved"),
                }
            }
        };
        format!("{label}, delta {:.3}", node.delta)
    }
}
