//! Nodes from measurements, level by level.

use crate::{
    Levels, Node, NodeKind, Smoothness, TreeConfig, TreeError, measurement::measure_groups,
    median_split::median_split, signature_bank::SignatureBank,
};

/// The nodes of the tree over all tasks, the root first, breadth first.
pub(crate) fn grow_nodes(
    config: &TreeConfig,
    bank: &SignatureBank,
    limit: usize,
) -> Result<Vec<Node>, TreeError> {
    let mut nodes = vec![leaf(0, (0..bank.len()).collect())];
    let mut open = vec![0];
    let diameters = config.smoothness == Smoothness::Diameter;
    let mut unit = 1.0;
    for level in 0..=limit {
        let tasks_of = |&node: &usize| match &nodes[node].kind {
            NodeKind::Leaf { tasks } if tasks.len() > 1 => Some((node, tasks.clone())),
            _ => None,
        };
        let (parents, mut groups): (Vec<usize>, Vec<Vec<usize>>) =
            open.iter().filter_map(tasks_of).unzip();
        if parents.is_empty() {
            break;
        }
        let layer = level.min(bank.layers() - 1);
        // Diameters are relative to that of all tasks at what the level looks at: at first the root's.
        let anew = level > 0 && diameters && config.levels == Levels::Layers;
        if anew {
            groups.push((0..bank.len()).collect());
        }
        let mut measured = measure_groups(bank, config, layer, &groups)?;
        if diameters && (level == 0 || anew) {
            unit = measured[measured.len() - 1].spread;
        }
        if anew {
            groups.pop();
            measured.pop();
        }
        open.clear();
        for ((node, tasks), measured) in parents.into_iter().zip(groups).zip(measured) {
            nodes[node].delta = if unit > 0.0 {
                (measured.spread / unit).min(1.0)
            } else {
                0.0
            };
            if level == limit {
                continue;
            }
            let (left, right, split) = median_split(&measured.ranks);
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
