//! Curves over tasks or steps.

use maud::{Markup, html};

use super::{CHART_HEIGHT, CHART_WIDTH, Legend, Mark, Rounded, Scale, Spacing, compact};

const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 38.0;

/// A value, and how far others of its kind are spread around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) spread: f64,
}

/// A curve; points that are missing are left out and the curve goes on behind them.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<Point>,
}

/// What is on the axes.
#[derive(Clone, Debug)]
pub(crate) struct LineChart {
    pub(crate) x_label: String,
    pub(crate) y_label: String,
    pub(crate) series: Vec<Series>,
    pub(crate) spacing: Spacing,
    /// Values of x with a name; they get the ticks and a vertical line.
    pub(crate) x_ticks: Vec<(f64, String)>,
}

impl Series {
    /// Points of the values that are there, at `1, 2, ...`.
    pub(crate) fn over_tasks(name: impl Into<String>, values: &[Option<f64>]) -> Self {
        let points = values.iter().enumerate().filter_map(|(index, value)| {
            value.filter(|y| y.is_finite()).map(|y| Point {
                x: index as f64 + 1.0,
                y,
                spread: 0.0,
            })
        });
        Self {
            name: name.into(),
            points: points.collect(),
        }
    }
}

impl LineChart {
    /// Over tasks `1..=tasks`, values in percent.
    pub(crate) fn over_tasks(y_label: &str, tasks: usize, series: Vec<Series>) -> Self {
        // Of more tasks than have room for their number, every 5th, 10th, 20th, ... has a line.
        let every = match tasks {
            0..=20 => 1,
            _ => [5, 10, 20, 50, 100, 200, 500]
                .into_iter()
                .find(|every| tasks / every <= 10)
                .unwrap_or(1000),
        };
        let marked = (1..=tasks).filter(|task| task.is_multiple_of(every));
        Self {
            x_label: "after task".into(),
            y_label: y_label.into(),
            series,
            spacing: Spacing::Linear,
            x_ticks: marked.map(|task| (task as f64, task.to_string())).collect(),
        }
    }

    /// Size in pixels.
    pub(crate) fn size(&self) -> (f64, f64) {
        (CHART_WIDTH, CHART_HEIGHT + self.legend().height)
    }

    fn legend(&self) -> Legend {
        let names = self.series.iter().map(|series| series.name.clone());
        // A single curve is named by its axis.
        let names = names.filter(|_| self.series.len() > 1);
        Legend::new(names, CHART_WIDTH - LEFT - RIGHT)
    }

    /// The drawing.
    pub(crate) fn draw(&self) -> Markup {
        let legend = self.legend();
        let (top, bottom) = (TOP + legend.height, CHART_HEIGHT + legend.height - BOTTOM);
        let (left, right) = (LEFT, CHART_WIDTH - RIGHT);
        let points = self.series.iter().flat_map(|series| &series.points);
        let xs = points.clone().map(|point| point.x);
        let xs = xs.chain(self.x_ticks.iter().map(|(x, _)| *x));
        let x = Scale::around(Spacing::Linear, xs, (left, right));
        let ys = points.flat_map(|p| match self.spacing {
            Spacing::Linear => [p.y - p.spread, p.y + p.spread],
            Spacing::Logarithmic => [p.y, p.y],
        });
        let y = Scale::around(self.spacing, ys, (bottom, top));
        html! {
            text class="soft small" x=(Rounded(left)) y="12" { (self.y_label) }
            (legend.draw(left, TOP))
            @for tick in y.ticks() {
                @let at = y.at(tick);
                line class="grid" x1=(Rounded(left)) x2=(Rounded(right)) y1=(Rounded(at)) y2=(Rounded(at)) {}
                text class="soft small end" x=(Rounded(left - 6.0)) y=(Rounded(at + 4.0)) { (compact(tick)) }
            }
            @for (value, name) in &self.x_ticks {
                @let at = x.at(*value);
                line class="grid" x1=(Rounded(at)) x2=(Rounded(at)) y1=(Rounded(top)) y2=(Rounded(bottom)) {}
                text class="soft small middle" x=(Rounded(at)) y=(Rounded(bottom + 15.0)) { (name) }
            }
            line class="axis" x1=(Rounded(left)) x2=(Rounded(right)) y1=(Rounded(bottom)) y2=(Rounded(bottom)) {}
            text class="soft small end" x=(Rounded(right)) y=(Rounded(bottom + 31.0)) { (self.x_label) }
            @for (index, series) in self.series.iter().enumerate() {
                (draw_series(series, Mark(index), &x, &y))
            }
        }
    }
}

fn draw_series(series: &Series, mark: Mark, x: &Scale, y: &Scale) -> Markup {
    let path = |points: &mut dyn Iterator<Item = (f64, f64)>| {
        let places = points.map(|(px, py)| format!("{},{}", Rounded(x.at(px)), Rounded(y.at(py))));
        places.collect::<Vec<_>>().join(" ")
    };
    let points = &series.points;
    let spread = points.iter().any(|point| point.spread > 0.0);
    html! {
        @if spread {
            @let upper = points.iter().map(|p| (p.x, p.y + p.spread));
            @let lower = points.iter().rev().map(|p| (p.x, p.y - p.spread));
            polygon class={ "band " (mark.fill()) } points=(path(&mut upper.chain(lower))) {}
        }
        polyline class=(mark.line()) stroke-dasharray=(mark.dashes())
            points=(path(&mut points.iter().map(|p| (p.x, p.y)))) {}
        // Dots tell where the values are; of many only the line is left.
        @if points.len() <= 40 {
            @for point in points {
                circle class=(mark.fill()) r="2.6" cx=(Rounded(x.at(point.x))) cy=(Rounded(y.at(point.y))) {
                    title { (series.name) ": " (compact(point.y)) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_numbered_as_far_as_there_is_room() {
        let numbers = |tasks: usize| {
            let chart = LineChart::over_tasks("", tasks, Vec::new());
            let names = chart.x_ticks.into_iter().map(|(_, name)| name);
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(numbers(3), "1 2 3");
        assert_eq!(numbers(50), "5 10 15 20 25 30 35 40 45 50");
        assert_eq!(numbers(200), "20 40 60 80 100 120 140 160 180 200");
    }

    #[test]
    fn missing_values_leave_a_drawing_without_nan() {
        let values = [Some(0.5), None, Some(f64::NAN), Some(0.7)];
        let series = Series::over_tasks("<accuracy>", &values);
        assert_eq!(series.points.len(), 2);
        let empty = Series::over_tasks("nothing", &[None, None]);
        for series in [vec![series.clone(), empty.clone()], vec![empty], vec![]] {
            let chart = LineChart::over_tasks("accuracy", 4, series);
            let svg = chart.draw().into_string();
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            assert!(!svg.contains("<accuracy>"), "{svg}");
        }
    }
}
