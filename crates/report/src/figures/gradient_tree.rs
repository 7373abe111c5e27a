//! The gradient tree after a task.

use maud::{PreEscaped, html};
use treelora::{TaskRelatives, kdtree::NodeKind};

use crate::{DataTable, Figure, TaskNames};

/// The tree with the names of the tasks on its leaves.
pub fn gradient_tree(name: &str, relatives: &TaskRelatives, tasks: &TaskNames) -> Figure {
    let slots: Vec<String> = relatives
        .slots
        .iter()
        .map(|slot| tasks.all_numbered(slot))
        .collect();
    let mut data = DataTable::new(["node", "level", "delta", "left", "right", "tasks"]);
    for (index, node) in relatives.tree.nodes().iter().enumerate() {
        let (left, right, held) = match &node.kind {
            NodeKind::Leaf { tasks } => {
                let held: Vec<&str> = tasks.iter().map(|&slot| slots[slot].as_str()).collect();
                (String::new(), String::new(), held.join(", "))
            }
            NodeKind::Inner { left, right, .. } => {
                (left.to_string(), right.to_string(), String::new())
            }
        };
        data.push(vec![
            index.to_string(),
            node.level.to_string(),
            DataTable::number(node.delta),
            left,
            right,
            held,
        ]);
    }
    let drawn = relatives.tree.to_drawing(&slots);
    Figure {
        name: name.to_owned(),
        title: format!(
            "Gradient tree after task {}",
            tasks.numbered(relatives.task.0)
        ),
        description: "Level d divides tasks by their signatures at layer d: the more similar half \
                      above, the other below. delta is the largest relative L1 distance of a task \
                      below the node to their mean."
            .into(),
        width: drawn.width,
        height: drawn.height,
        data,
        // Names are escaped where the tree is drawn.
        drawing: html! { g fill="currentColor" font-size="13" { (PreEscaped(drawn.elements)) } },
    }
}
