//! Tables for the terminal.

use std::collections::BTreeMap;

use comfy_table::{Cell, CellAlignment, Table, presets};
use treelora_cl_bench::metrics::{MetricValue, decimals, mean_and_spread};
use treelora_experiment::RunSummary;

/// The metrics that fit into a row; all of them are in `metrics.json`.
const COLUMNS: [(&str, &str); 5] = [
    ("acc_last", "accuracy"),
    ("aia_task_weighted", "average over time"),
    ("learning_acc", "learning accuracy"),
    ("bwt_treelora_paper", "forgotten (paper's BWT)"),
    ("forgetting_max_excl_last", "forgetting (max)"),
];

/// One run: its matrix and its metrics, each with the name of its convention.
pub(crate) fn summary(summary: &RunSummary) -> String {
    let mut text = format!(
        "{} (seed {})\naccuracy in percent; row = after training on a task, column = task\n{}\n",
        summary.label, summary.seed, summary.matrix
    );
    for (name, metric) in &summary.metrics {
        if let Some(value) = metric.value {
            let percent = decimals(100.0 * value, 2);
            text += &format!("  {name:<26} {percent:>8}   {}\n", metric.formula);
        }
    }
    text += &format!(
        "  training {:.1} s ({:.1} examples/s, {:.1}% waiting for data), after tasks {:.1} s, evaluation {:.1} s\n  \
         trainable parameters {}, kept {} bytes{}\n",
        summary.cost.train_seconds,
        summary.cost.examples_per_second,
        100.0 * summary.cost.data_wait_share,
        summary.cost.end_task_seconds,
        summary.cost.evaluation_seconds,
        summary.cost.trainable_parameters,
        summary.cost.stored_bytes,
        summary
            .cost
            .peak_memory_bytes
            .map(|bytes| format!(", peak memory {} MiB", bytes >> 20))
            .unwrap_or_default(),
    );
    if !summary.floors.is_empty() {
        text += "floors on the frozen backbone\n";
        text += &floors(&summary.floors);
    }
    text
}

/// The floors, a row each.
pub(crate) fn floors(floors: &BTreeMap<String, BTreeMap<String, MetricValue>>) -> String {
    let mut table = header("classifier");
    for (name, metrics) in floors {
        table.add_row(row(name.clone(), |key| {
            vec![metrics.get(key).and_then(|metric| metric.value)]
        }));
    }
    table.to_string()
}

/// Single runs, a row each.
pub(crate) fn side_by_side(summaries: &[RunSummary]) -> String {
    let mut table = header("method");
    for summary in summaries {
        table.add_row(row(summary.method.clone(), |key| vec![value(summary, key)]));
    }
    table.to_string()
}

/// Groups of runs that differ in the seed alone: mean and sample standard deviation, after the
/// floors of each experiment.
pub(crate) fn comparison(groups: &BTreeMap<String, Vec<RunSummary>>, markdown: bool) -> String {
    let mut table = header("run");
    if markdown {
        table.load_preset(presets::ASCII_MARKDOWN);
    }
    let mut floors = BTreeMap::new();
    for summary in groups.values().flatten() {
        let method = format!("-{}", summary.method);
        let experiment = summary.label.trim_end_matches(method.as_str());
        for (name, metrics) in &summary.floors {
            floors.insert(format!("{experiment}, floor: {name}"), metrics);
        }
    }
    for (name, metrics) in floors {
        table.add_row(row(name, |key| {
            vec![metrics.get(key).and_then(|metric| metric.value)]
        }));
    }
    for (label, summaries) in groups {
        let seeds = match summaries.len() {
            1 => "1 seed".to_owned(),
            several => format!("{several} seeds"),
        };
        let name = format!("{label} ({seeds})");
        table.add_row(row(name, |key| {
            summaries
                .iter()
                .map(|summary| value(summary, key))
                .collect()
        }));
    }
    table.to_string()
}

fn value(summary: &RunSummary, key: &str) -> Option<f64> {
    summary.metrics.get(key).and_then(|metric| metric.value)
}

fn header(first: &str) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED);
    let names = COLUMNS.iter().map(|(_, name)| *name);
    table.set_header(std::iter::once(first).chain(names));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A row of percentages: mean, and the spread where there are several values.
fn row(name: String, values: impl Fn(&str) -> Vec<Option<f64>>) -> Vec<Cell> {
    let cells = COLUMNS.iter().map(|(key, _)| {
        let values: Vec<f64> = values(key)
            .into_iter()
            .flatten()
            .map(|v| 100.0 * v)
            .collect();
        Cell::new(match (values.len(), mean_and_spread(&values)) {
            (0, _) | (_, None) => "-".to_owned(),
            (1, Some((mean, _))) => decimals(mean, 2),
            (_, Some((mean, spread))) => format!("{} ± {spread:.2}", decimals(mean, 2)),
        })
    });
    std::iter::once(Cell::new(name)).chain(cells).collect()
}
