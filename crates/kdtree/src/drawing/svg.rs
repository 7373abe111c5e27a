//! A dendrogram: root on the left, one leaf a line on the right.

use std::fmt::Write;

use super::NamedTree;
use crate::NodeKind;

const MARGIN: f64 = 12.0;
const LINE: f64 = 26.0;
/// Widths of a character of leaf and inner labels, on the safe side.
const GLYPH: f64 = 7.5;
const SMALL_GLYPH: f64 = 6.3;

/// The tree as a part of a larger SVG image.
#[derive(Clone, Debug, PartialEq)]
pub struct TreeDrawing {
    /// Width in pixels.
    pub width: f64,
    /// Height in pixels.
    pub height: f64,
    /// SVG elements, names escaped; text has 13 pixels where it says nothing else.
    pub elements: String,
}

/// The image as a file of its own.
pub(super) fn file(tree: &NamedTree<'_, impl AsRef<str>>) -> String {
    let TreeDrawing {
        width,
        height,
        elements,
    } = draw(tree);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" fill=\"currentColor\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\">\n<title>Gradient tree of {} \
         tasks</title>\n{elements}</svg>\n",
        tree.tree.num_tasks()
    )
}

pub(super) fn draw(tree: &NamedTree<'_, impl AsRef<str>>) -> TreeDrawing {
    let nodes = &tree.tree.nodes;
    let leaves = tree.tree.leaves();
    let mut heights = vec![0.0; nodes.len()];
    for (line, (leaf, _)) in leaves.iter().enumerate() {
        heights[*leaf] = MARGIN + (line as f64 + 0.5) * LINE;
    }
    // Children come after their parents: backwards, both are placed before the parent.
    for index in (0..nodes.len()).rev() {
        if let NodeKind::Inner { left, right, .. } = nodes[index].kind {
            heights[index] = 0.5 * (heights[left] + heights[right]);
        }
    }
    // A column holds the longest inner label, so that no label runs into the next level.
    let column = nodes
        .iter()
        .filter(|node| matches!(node.kind, NodeKind::Inner { .. }))
        .map(|node| 24.0 + SMALL_GLYPH * tree.label(node).chars().count() as f64)
        .fold(0.0, f64::max);
    let x_of = |level: usize| MARGIN + level as f64 * column;
    let right_edge = nodes
        .iter()
        .map(|node| x_of(node.level) + 12.0 + GLYPH * tree.label(node).chars().count() as f64)
        .fold(0.0, f64::max);
    let (width, height) = (
        right_edge + MARGIN,
        2.0 * MARGIN + LINE * leaves.len() as f64,
    );

    let mut elements = String::new();
    for (index, node) in nodes.iter().enumerate() {
        let (x, y) = (x_of(node.level), heights[index]);
        // Writing to a string cannot fail.
        let _ = match node.kind {
            NodeKind::Leaf { .. } => Ok(()),
            NodeKind::Inner { left, right, .. } => [left, right].iter().try_for_each(|&child| {
                writeln!(
                    elements,
                    "<path d=\"M{x:.1} {y:.1} V{:.1} H{:.1}\" fill=\"none\" \
                     stroke=\"currentColor\" stroke-opacity=\"0.45\"/>",
                    heights[child],
                    x_of(nodes[child].level)
                )
            }),
        };
    }
    for (index, node) in nodes.iter().enumerate() {
        let (x, y) = (x_of(node.level), heights[index]);
        let label = escape(&tree.label(node));
        let (dy, style) = match node.kind {
            NodeKind::Leaf { .. } => (4.5, ""),
            NodeKind::Inner { .. } => (4.0, " font-size=\"11\" fill-opacity=\"0.75\""),
        };
        let _ = writeln!(
            elements,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/><text x=\"{:.1}\" y=\"{:.1}\"{style}>\
             {label}</text>",
            x + 8.0,
            y + dy
        );
    }
    TreeDrawing {
        width,
        height,
        elements,
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
