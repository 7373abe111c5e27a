//! Runs and floors side by side.

use maud::html;
use treelora_cl_bench::metrics::{Convention, Direction, decimals, mean_and_spread};

use crate::{
    DataTable, Figure, FloorGroup, RunGroup,
    drawing::{CHART_WIDTH, Rounded, Scale, Spacing, compact, label_width, shortened},
};

/// The metrics that get a figure; the table has all of them.
pub const COMPARED: [Convention; 4] = [
    Convention::AccLast,
    Convention::AiaTaskWeighted,
    Convention::BwtTreeloraPaper,
    Convention::ForgettingMaxExclLast,
];

const LINE: f64 = 26.0;
const TOP: f64 = 24.0;
const NAME: usize = 32;

/// A group of runs or a floor, and its values of the metric.
struct Row<'a> {
    label: &'a str,
    short: &'a str,
    kind: &'a str,
    values: Vec<f64>,
}

impl<'a> Row<'a> {
    fn new(label: &'a str, short: &'a str, kind: &'a str, values: Vec<f64>) -> Self {
        Self {
            label,
            short,
            kind,
            values,
        }
    }
}

/// One metric of every group of runs and every floor: a dot for each seed, and mean and spread.
pub fn metric_comparison(
    name: &str,
    metric: Convention,
    runs: &[RunGroup<'_>],
    floors: &[FloorGroup<'_>],
) -> Figure {
    let key = metric.name();
    let of_floors = floors
        .iter()
        .map(|floor| Row::new(&floor.label, &floor.short, "floor", floor.values(key)));
    let of_runs = runs
        .iter()
        .map(|run| Row::new(run.label, &run.short, "run", run.values(key)));
    let rows: Vec<Row<'_>> = of_floors.chain(of_runs).collect();
    let mut data = DataTable::new(["label", "kind", "seeds", "mean", "spread", "values"]);
    for Row {
        label,
        kind,
        values,
        ..
    } in &rows
    {
        let summary = mean_and_spread(values);
        let texts: Vec<String> = values.iter().map(f64::to_string).collect();
        data.push(vec![
            (*label).to_owned(),
            (*kind).to_owned(),
            values.len().to_string(),
            DataTable::number(summary.map(|(mean, _)| mean)),
            // A single value has no spread.
            DataTable::number(
                summary
                    .filter(|_| values.len() > 1)
                    .map(|(_, spread)| spread),
            ),
            texts.join(" "),
        ]);
    }
    let widths = rows
        .iter()
        .map(|row| label_width(&shortened(row.short, NAME)));
    let left = 20.0 + widths.fold(0.0, f64::max);
    let width = CHART_WIDTH.max(left + 260.0);
    let right = width - 56.0;
    let bottom = TOP + LINE * rows.len() as f64;
    let ends = rows.iter().flat_map(|row| {
        let (mean, spread) = mean_and_spread(&row.values).unwrap_or((f64::NAN, 0.0));
        let values = row.values.iter().copied();
        values.chain([mean - spread, mean + spread])
    });
    let values = ends.map(|value| 100.0 * value);
    let x = Scale::around(Spacing::Linear, values, (left, right));
    let drawing = html! {
        @for tick in x.ticks() {
            @let at = x.at(tick);
            line class="grid" x1=(Rounded(at)) x2=(Rounded(at)) y1=(Rounded(TOP)) y2=(Rounded(bottom)) {}
            text class="soft small middle" x=(Rounded(at)) y="15" { (compact(tick)) }
        }
        @for (index, Row { short, kind, values, .. }) in rows.iter().enumerate() {
            @let y = TOP + LINE * (index as f64 + 0.5);
            @let colour = if *kind == "floor" { "7" } else { "0" };
            text class="ink" x="10" y=(Rounded(y + 4.0)) { (shortened(short, NAME)) }
            @if let Some((mean, spread)) = mean_and_spread(values) {
                @let (low, high) = (x.at(100.0 * (mean - spread)), x.at(100.0 * (mean + spread)));
                line class={ "line l" (colour) } x1=(Rounded(low)) x2=(Rounded(high)) y1=(Rounded(y)) y2=(Rounded(y)) {}
                @for value in values {
                    circle class={ "f" (colour) } fill-opacity="0.45" r="3.5" cx=(Rounded(x.at(100.0 * value))) cy=(Rounded(y)) {}
                }
                line class={ "line l" (colour) } x1=(Rounded(x.at(100.0 * mean))) x2=(Rounded(x.at(100.0 * mean)))
                    y1=(Rounded(y - 7.0)) y2=(Rounded(y + 7.0)) {}
                text class="ink small end" x=(Rounded(width - 8.0)) y=(Rounded(y + 4.0)) { (decimals(100.0 * mean, 2)) }
            } @else {
                text class="soft small" x=(Rounded(left)) y=(Rounded(y + 4.0)) { "not defined" }
            }
        }
    };
    let better = match metric.direction() {
        Direction::HigherIsBetter => "Higher is better",
        Direction::LowerIsBetter => "Lower is better",
    };
    Figure {
        name: name.to_owned(),
        title: format!("{key}, percent"),
        description: format!(
            "{key} = {}. {better}. A dot is a seed, the tick the mean, the bar the sample standard \
             deviation.",
            metric.formula()
        ),
        width,
        height: bottom + 10.0,
        drawing,
        data,
    }
}
