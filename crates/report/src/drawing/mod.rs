//! What figures are drawn of: scales, lines, grids of cells, bars.

mod scale;

mod label;

mod legend;

mod line_chart;

mod grid;

mod bars;

pub(crate) use bars::{Bar, Bars};
pub(crate) use grid::{Cell, Grid};
pub(crate) use label::{Rounded, compact, label_width, percent, shortened};
pub(crate) use legend::{Legend, Mark};
pub(crate) use line_chart::{LineChart, Point, Series};
pub(crate) use scale::{Scale, Spacing};

/// Width of charts in pixels: readable on a phone without scrolling, two beside each other on a desk.
pub(crate) const CHART_WIDTH: f64 = 420.0;

/// Height of a chart without its legend.
pub(crate) const CHART_HEIGHT: f64 = 240.0;

/// Number of colours in `figure.css`.
pub(crate) const COLOURS: usize = 8;
