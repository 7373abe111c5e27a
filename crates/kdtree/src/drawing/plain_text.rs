//! One line a node, branches in ASCII.

use std::fmt;

use super::NamedTree;
use crate::{NodeKind, TreeStructure};

impl<N: AsRef<str>> fmt::Display for NamedTree<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // (node, what stands before its label, what stands before its children)
        let mut open = vec![(0, String::new(), String::new())];
        while let Some((node, lead, indent)) = open.pop() {
            let node = &self.tree.nodes[node];
            writeln!(f, "{lead}{}", self.label(node))?;
            if let NodeKind::Inner { left, right, .. } = node.kind {
                open.push((right, format!("{indent}`-- "), format!("{indent}    ")));
                open.push((left, format!("{indent}|-- "), format!("{indent}|   ")));
            }
        }
        Ok(())
    }
}

impl fmt::Display for TreeStructure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.named::<&str>(&[]).fmt(f)
    }
}
