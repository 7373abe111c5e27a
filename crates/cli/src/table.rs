//! Tables for the terminal.

use std::collections::BTreeMap;

use comfy_table::{Cell, CellAlignment, Table, presets};
use treelora_cl_bench::metrics::{MetricValue, decimals, mean_and_spread};
use treelora_experiment::{BaseLossChange, RunSummary};

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
    for (rule, metrics) in &summary.other_rules {
        if let Some(value) = metrics.get("acc_last").and_then(|metric| metric.value) {
            let percent = decimals(100.0 * value, 2);
            text += &format!("  {:<26} {percent:>8}   by the rule `{rule}`\n", "acc_last");
        }
    }
    if let Some(change) = &summary.base_loss_change {
        text += &format!(
            "  {:<26} {:>8}   {} ({:.4} before, {:.4} after, {} tokens)\n",
            "base_loss_change",
            decimals(change.change, 4),
            BaseLossChange::FORMULA,
            change.before,
            change.after,
            change.tokens,
        );
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
    let text = summaries.iter().any(|run| run.base_loss_change.is_some());
    let mut table = header_with("method", text);
    for summary in summaries {
        let mut cells = row(summary.method.clone(), |key| vec![value(summary, key)]);
        cells.extend(text.then(|| base_loss_change([summary])));
        table.add_row(cells);
    }
    table.to_string()
}

/// Groups of runs that differ in the seed alone: mean and sample standard deviation, after the
/// floors of each experiment.
pub(crate) fn comparison(groups: &BTreeMap<String, Vec<RunSummary>>, markdown: bool) -> String {
    let text = groups.values().flatten();
    let text = text.clone().any(|run| run.base_loss_change.is_some());
    let mut table = header_with("run", text);
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
        let mut cells = row(name, |key| {
            vec![metrics.get(key).and_then(|metric| metric.value)]
        });
        cells.extend(text.then(|| Cell::new("-")));
        table.add_row(cells);
    }
    for (label, summaries) in groups {
        let seeds = match summaries.len() {
            1 => "1 seed".to_owned(),
            several => format!("{several} seeds"),
        };
        let name = format!("{label} ({seeds})");
        let mut cells = row(name, |key| {
            summaries
                .iter()
                .map(|summary| value(summary, key))
                .collect()
        });
        cells.extend(text.then(|| base_loss_change(summaries)));
        table.add_row(cells);
    }
    table.to_string()
}

fn value(summary: &RunSummary, key: &str) -> Option<f64> {
    summary.metrics.get(key).and_then(|metric| metric.value)
}

fn header(first: &str) -> Table {
    header_with(first, false)
}

/// With a column of `base_loss_change` where there are runs on text.
fn header_with(first: &str, text: bool) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED);
    let names = COLUMNS.iter().map(|(_, name)| *name);
    let of_text = text.then_some("base_loss_change (nats)");
    table.set_header(std::iter::once(first).chain(names).chain(of_text));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// In nats, not in percent.
fn base_loss_change<'a>(runs: impl IntoIterator<Item = &'a RunSummary>) -> Cell {
    let changes = runs.into_iter().filter_map(|run| run.base_loss_change);
    let changes: Vec<f64> = changes.map(|change| change.change).collect();
    with_spread(&changes, 4)
}

/// A row of percentages: mean, and the spread where there are several values.
fn row(name: String, values: impl Fn(&str) -> Vec<Option<f64>>) -> Vec<Cell> {
    let cells = COLUMNS.iter().map(|(key, _)| {
        let values: Vec<f64> = values(key)
            .into_iter()
            .flatten()
            .map(|v| 100.0 * v)
            .collect();
        with_spread(&values, 2)
    });
    std::iter::once(Cell::new(name)).chain(cells).collect()
}

fn with_spread(values: &[f64], places: usize) -> Cell {
    Cell::new(match (values.len(), mean_and_spread(values)) {
        (0, _) | (_, None) => "-".to_owned(),
        (1, Some((mean, _))) => decimals(mean, places),
        (_, Some((mean, spread))) => format!("{} ± {spread:.places$}", decimals(mean, places)),
    })
}
