//! Which colour is what.

use maud::{Markup, html};

use super::{COLOURS, Rounded, label_width};

const LINE: f64 = 18.0;

/// Colour and pattern of a series by its number: beyond the colours, lines are dashed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(pub(crate) usize);

impl Mark {
    /// Class of its strokes.
    pub(crate) fn line(self) -> String {
        format!("line l{}", self.0 % COLOURS)
    }

    /// Class of its areas.
    pub(crate) fn fill(self) -> String {
        format!("f{}", self.0 % COLOURS)
    }

    /// `stroke-dasharray`.
    pub(crate) fn dashes(self) -> &'static str {
        ["none", "6 3", "2 3", "9 3 2 3"][(self.0 / COLOURS) % 4]
    }
}

/// Names of series in lines of entries.
#[derive(Clone, Debug)]
pub(crate) struct Legend {
    /// Place and name of each entry.
    entries: Vec<(f64, f64, String)>,
    /// Height in pixels.
    pub(crate) height: f64,
}

impl Legend {
    /// Entries that fit into `width`.
    pub(crate) fn new(names: impl IntoIterator<Item = String>, width: f64) -> Self {
        let (mut x, mut y) = (0.0, 0.0);
        let mut entries = Vec::new();
        for name in names {
            let needed = 34.0 + label_width(&name);
            if x > 0.0 && x + needed > width {
                (x, y) = (0.0, y + LINE);
            }
            entries.push((x, y, name));
            x += needed;
        }
        let height = if entries.is_empty() {
            0.0
        } else {
            y + LINE + 6.0
        };
        Self { entries, height }
    }

    /// With its left upper corner at `(x, y)`.
    pub(crate) fn draw(&self, x: f64, y: f64) -> Markup {
        html! {
            @for (index, (dx, dy, name)) in self.entries.iter().enumerate() {
                @let (x, y, mark) = (x + dx, y + dy + 10.0, Mark(index));
                line class=(mark.line()) stroke-dasharray=(mark.dashes())
                    x1=(Rounded(x)) x2=(Rounded(x + 18.0)) y1=(Rounded(y)) y2=(Rounded(y)) {}
                circle class=(mark.fill()) cx=(Rounded(x + 9.0)) cy=(Rounded(y)) r="3" {}
                text class="ink" x=(Rounded(x + 23.0)) y=(Rounded(y + 4.0)) { (name) }
            }
        }
    }
}
