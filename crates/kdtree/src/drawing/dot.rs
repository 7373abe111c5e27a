//! Graphviz.

use std::fmt::Write;

use super::NamedTree;
use crate::NodeKind;

pub(super) fn draw(tree: &NamedTree<'_, impl AsRef<str>>) -> String {
    let mut dot = String::from("digraph gradient_tree {\n  rankdir=LR;\n  node [shape=box];\n");
    for (index, node) in tree.tree.nodes.iter().enumerate() {
        let label = tree.label(node).replace('\\', "\\\\").replace('"', "\\\"");
        // Writing to a string cannot fail.
        let _ = match node.kind {
            NodeKind::Leaf { .. } => writeln!(dot, "  n{index} [label=\"{label}\"];"),
            NodeKind::Inner { left, right, .. } => writeln!(
                dot,
                "  n{index} [label=\"{label}\", style=rounded];\n  n{index} -> n{left};\n  \
                 n{index} -> n{right} [style=dashed];"
            ),
        };
    }
    dot.push_str("}\n");
    dot
}
