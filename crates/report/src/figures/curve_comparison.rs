//! Curves of several methods, with their spread over seeds.

use treelora_cl_bench::metrics::{Convention, mean_and_spread};

use crate::{
    DataTable, Figure, RunGroup,
    drawing::{LineChart, Point, Series, shortened},
    figures::over_time,
};

/// A convention after every task: mean over the runs of each group, and the spread as a band.
pub fn curve_comparison(
    name: &str,
    title: &str,
    convention: Convention,
    groups: &[RunGroup<'_>],
) -> Figure {
    let mut data = DataTable::new(["label", "after_task", "seeds", "mean", "spread"]);
    let mut series = Vec::new();
    let mut tasks = 0;
    for group in groups {
        let runs = group.runs.iter();
        let curves: Vec<_> = runs.map(|run| over_time(&run.matrix, convention)).collect();
        let length = curves.iter().map(Vec::len).max().unwrap_or(0);
        tasks = tasks.max(length);
        let mut points = Vec::new();
        for after in 0..length {
            let values = curves.iter().filter_map(|curve| *curve.get(after)?);
            let values: Vec<f64> = values.collect();
            let Some((mean, spread)) = mean_and_spread(&values) else {
                continue;
            };
            data.push(vec![
                group.label.to_owned(),
                (after + 1).to_string(),
                values.len().to_string(),
                DataTable::number(mean),
                DataTable::number((values.len() > 1).then_some(spread)),
            ]);
            points.push(Point {
                x: after as f64 + 1.0,
                y: 100.0 * mean,
                spread: 100.0 * spread,
            });
        }
        series.push(Series {
            name: shortened(&group.short, 48),
            points,
        });
    }
    let chart = LineChart::over_tasks(&format!("{}, percent", convention.name()), tasks, series);
    let (width, height) = chart.size();
    Figure {
        name: name.to_owned(),
        title: title.to_owned(),
        description: format!(
            "{} = {}, after each task T as if the stream had ended there: mean over seeds, and a \
             band of one sample standard deviation.",
            convention.name(),
            convention.formula()
        ),
        width,
        height,
        drawing: chart.draw(),
        data,
    }
}
