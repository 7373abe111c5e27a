//! Cells with numbers in them, shaded by size.

use maud::{Markup, html};

use super::{Rounded, label_width, shortened};

const TOP: f64 = 40.0;
const MARGIN: f64 = 10.0;
/// Characters of a row's name.
const NAME: usize = 30;
/// Cells lower than this have no room for text: they are shades alone, and every tenth row and column is named.
const LEGIBLE: f64 = 14.0;

/// A cell: lines of text on a shade.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// Class of the shade.
    pub(crate) class: String,
    /// From 0 (pale) to 1.
    pub(crate) strength: f64,
    /// Text, top to bottom.
    pub(crate) lines: Vec<String>,
    /// What the cell says in words.
    pub(crate) words: String,
}

/// Rows and columns with names.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    pub(crate) row_title: String,
    pub(crate) column_title: String,
    pub(crate) rows: Vec<String>,
    pub(crate) columns: Vec<String>,
    /// `[row][column]`; missing ones stay empty.
    pub(crate) cells: Vec<Vec<Option<Cell>>>,
    /// Size of a cell in pixels.
    pub(crate) cell: (f64, f64),
}

impl Grid {
    /// Size in pixels.
    pub(crate) fn size(&self) -> (f64, f64) {
        (
            self.left() + self.cell.0 * self.columns.len() as f64 + MARGIN,
            TOP + self.cell.1 * self.rows.len() as f64 + MARGIN,
        )
    }

    fn is_legible(&self) -> bool {
        self.cell.1 >= LEGIBLE
    }

    /// Whether the row or column `index` has its name beside it.
    fn is_named(&self, index: usize) -> bool {
        self.is_legible() || (index + 1).is_multiple_of(10)
    }

    fn left(&self) -> f64 {
        let names = self.rows.iter().chain([&self.row_title]);
        let widths = names.map(|name| label_width(&shortened(name, NAME)));
        MARGIN + 8.0 + widths.fold(0.0, f64::max)
    }

    /// The drawing.
    pub(crate) fn draw(&self) -> Markup {
        let (left, (width, height)) = (self.left(), self.cell);
        html! {
            text class="soft small" x=(Rounded(left)) y="13" { (self.column_title) }
            text class="soft small" x=(Rounded(MARGIN)) y="32" { (self.row_title) }
            @for (column, name) in self.columns.iter().enumerate().filter(|(c, _)| self.is_named(*c)) {
                text class="soft middle" x=(Rounded(left + (column as f64 + 0.5) * width)) y="32" { (name) }
            }
            @for (row, name) in self.rows.iter().enumerate() {
                @let y = TOP + row as f64 * height;
                @if self.is_named(row) {
                    text class="ink" x=(Rounded(MARGIN)) y=(Rounded(y + 0.5 * height + 4.0)) {
                        (shortened(name, NAME))
                    }
                }
                @for column in 0..self.columns.len() {
                    @let x = left + column as f64 * width;
                    @match self.cells.get(row).and_then(|cells| cells.get(column)) {
                        Some(Some(cell)) if self.is_legible() => (self.draw_cell(cell, x, y)),
                        Some(Some(cell)) => (self.draw_shade(cell, x, y)),
                        _ if !self.is_legible() => {},
                        _ => rect class="empty" x=(Rounded(x + 1.0)) y=(Rounded(y + 1.0)) rx="3"
                            width=(Rounded(width - 2.0)) height=(Rounded(height - 2.0)) {},
                    }
                }
            }
        }
    }

    fn draw_cell(&self, cell: &Cell, x: f64, y: f64) -> Markup {
        let (width, height) = self.cell;
        let first = y + 0.5 * height + 4.0 - 6.5 * (cell.lines.len().saturating_sub(1)) as f64;
        html! {
            g {
                title { (cell.words) }
                rect class=(cell.class) fill-opacity=(opacity(cell)) rx="3"
                    x=(Rounded(x + 1.0)) y=(Rounded(y + 1.0))
                    width=(Rounded(width - 2.0)) height=(Rounded(height - 2.0)) {}
                @for (index, line) in cell.lines.iter().enumerate() {
                    text class={ "ink middle" @if index > 0 { " small" } }
                        x=(Rounded(x + 0.5 * width)) y=(Rounded(first + 13.0 * index as f64)) { (line) }
                }
            }
        }
    }

    fn draw_shade(&self, cell: &Cell, x: f64, y: f64) -> Markup {
        let (width, height) = self.cell;
        html! {
            rect class=(cell.class) fill-opacity=(opacity(cell)) x=(Rounded(x)) y=(Rounded(y))
                width=(Rounded(width)) height=(Rounded(height)) {}
        }
    }
}

/// Text keeps its colour on every shade: none is darker (or, on dark, lighter) than the last.
fn opacity(cell: &Cell) -> String {
    format!("{:.3}", 0.06 + 0.6 * cell.strength.clamp(0.0, 1.0))
}
