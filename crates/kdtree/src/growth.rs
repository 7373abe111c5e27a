//! Nodes from measurements, level by level.

use crate::{
    Node, NodeKind, TreeConfig, TreeError, measurement::measure_groups, median_split::median_split,
    signature_bank::SignatureBank,
};

/// The nodes of the tree over `tasks` whose root is at `level`, the root first, breadth first.
pub(crate) fn subtree(
    config: &TreeConfig,
    bank: &SignatureBank,
    tasks: Vec<usize>,
    level: usize,
    limit: usize,
) -> Result<Vec<Node>, TreeError> {
    let mut nodes = vec![leaf(level, tasks)];
    let mut open = vec![0];
    for level in level..=limit {
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
        inserted: 0,
        kind: NodeKind::Leaf { tasks },
    }
}

/// Put a subtree in the place of a leaf; its other nodes are appended.
pub(crate) fn graft(nodes: &mut Vec<Node>, leaf: usize, parts: Vec<Node>) {
    // The root of the parts takes the leaf's place, part i > 0 goes behind the last node.
    let shift = nodes.len() - 1;
    for (position, mut part) in parts.into_iter().enumerate() {
        if let NodeKind::Inner { left, right, .. } = &mut part.kind {
            *left += shift;
            *right += shift;
        }
        match position {
            0 => nodes[leaf] = part,
            _ => nodes.push(part),
        }
    }
}
