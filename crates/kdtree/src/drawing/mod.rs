//! The tree for human eyes: plain text, Graphviz, SVG.

mod dot;
mod named_tree;
mod plain_text;
mod svg;

pub use named_tree::NamedTree;
pub use svg::TreeDrawing;

use crate::TreeStructure;

impl TreeStructure {
    /// The tree as a Graphviz graph with names for its tasks.
    pub fn to_dot(&self, names: &[impl AsRef<str>]) -> String {
        dot::draw(&self.named(names))
    }

    /// The tree as a self-contained SVG image with names for its tasks. Lines and text take the
    /// colour of the page around it (`currentColor`), so that it is readable on light and dark.
    pub fn to_svg(&self, names: &[impl AsRef<str>]) -> String {
        svg::file(&self.named(names))
    }

    /// What [`to_svg`](Self::to_svg) draws, for an image that has more to show.
    pub fn to_drawing(&self, names: &[impl AsRef<str>]) -> TreeDrawing {
        svg::draw(&self.named(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Node, NodeKind, Split, TreeConfig};

    fn tree() -> TreeStructure {
        let node = |level, kind| Node {
            level,
            delta: 0.25,
            kind,
        };
        let inner = |left, split| NodeKind::Inner {
            left,
            right: left + 1,
            split,
        };
        let leaf = |tasks: &[usize]| NodeKind::Leaf {
            tasks: tasks.to_vec(),
        };
        TreeStructure {
            config: TreeConfig::default(),
            layers: 2,
            features: 3,
            weights: vec![1; 4],
            nodes: vec![
                node(0, inner(1, Split::Median { threshold: -1.0 })),
                node(1, inner(3, Split::Halved)),
                node(1, leaf(&[0])),
                node(2, leaf(&[1, 3])),
                node(2, leaf(&[2])),
            ],
        }
    }

    #[test]
    fn plain_text_shows_the_branches() {
        let expected = "\
layer 0, delta 0.250
|-- layer 1, halved, delta 0.250
|   |-- cats, task 3
|   `-- <dogs> & \"more\"
`-- apes
";
        let names = ["apes", "cats", "<dogs> & \"more\""];
        assert_eq!(tree().named(&names).to_string(), expected);
        assert!(tree().to_string().ends_with("`-- task 0\n"));
    }

    #[test]
    fn graphs_and_images_escape_names() {
        let names = ["apes", "cats", "<dogs> & \"more\""];
        let dot = tree().to_dot(&names);
        assert!(
            dot.starts_with("digraph") && dot.contains(r#"\"more\""#),
            "{dot}"
        );
        assert_eq!(dot.matches("->").count(), 4);
        let svg = tree().to_svg(&names);
        assert!(svg.contains("&lt;dogs&gt; &amp; &quot;more&quot;"), "{svg}");
        assert!(svg.contains("currentColor") && svg.trim_end().ends_with("</svg>"));
        assert_eq!(svg.matches("<path").count(), 4);
    }
}
