//! Nodes from measurements, level by level.

use crate::{
    Node, NodeKind, TreeConfig, TreeError, measurement::measure_groups, median_split::median_split,
    signature_bank::SignatureBank,
};

/// The nodes of the tree over all tasks, the root first, breadth first.
pub(crate) fn grow_nodes(
    config: &TreeConfig,
    bank: &SignatureBank,
    limit: usize,
) -> Result<Vec<Node>, TreeError> {
    let mut nodes = vec![leaf(0, (0..bank.len()).collect())];
    let mut open = vec![0];
    for level in 0..=limit {
        let tasks_of = |&node: &usize| match &nodes[node].kind {
            NodeKind::Leaf { tasks } if tasks.len() > 1 => Some((node, tasks.clone())),
            _ => None,
        };
        let (parents, groups): (Vec<usize>, Vec<Vec<usize>>) =
            open.iter().filter_map(tasks_of).unzip();
        if parents.is_empty() {
            break;
        }
        let layer = level.min(bank.layers() - 1);
        let measured = measure_groups(bank, config, layer, &groups)?;
        open.clear();
        for ((node, tasks), measured) in parents.into_iter().zip(groups).zip(measured) {
            nodes[node].delta = measured.iter().map(|m| m.distance).fold(0.0, f64::max);
            if level == limit {
                continue;
            }
            let similarities: Vec<f32> = measured.iter().map(|m| m.similarity).collect();
            let (left, right, split) = median_split(&similarities);
            let side = |positions: Vec<usize>| positions.into_iter().map(|p| tasks[p]).collect();
            let child = nodes.len();
            nodes[node].kind = NodeKind::Inner {
                left: child,
                right: child + 1,
                split,
            };
            nodes.push(leaf(level + 1, side(left)));
            nodes.push(leaf(level + 1, side(right)));
            open.extend([child, child + 1]);
        }
    }
    Ok(nodes)
}

fn leaf(level: usize, tasks: Vec<usize>) -> Node {
    Node {
        level,
        delta: 0.0,
        kind: NodeKind::Leaf { tasks },
    }
}
