//! Runs that differ in the seed alone, and the floors beside them.

use std::collections::BTreeMap;

use treelora_cl_bench::metrics::{MetricValue, decimals, mean_and_spread};

use crate::RunRecord;

/// Runs of one label.
#[derive(Clone, Debug)]
pub struct RunGroup<'a> {
    /// Experiment and method.
    pub label: &'a str,
    /// The method alone where all runs are of one experiment, else the label.
    pub short: String,
    /// The runs, in the order in which they were given.
    pub runs: Vec<&'a RunRecord>,
}

/// One floor of one experiment.
#[derive(Clone, Debug)]
pub struct FloorGroup<'a> {
    /// Experiment and floor.
    pub label: String,
    /// The floor alone where all runs are of one experiment, else the label.
    pub short: String,
    /// Its metrics for every seed.
    pub seeds: BTreeMap<u64, &'a BTreeMap<String, MetricValue>>,
}

impl RunGroup<'_> {
    /// Values of a metric, of the runs that have it.
    pub fn values(&self, metric: &str) -> Vec<f64> {
        let values = self.runs.iter().map(|run| run.metrics.get(metric));
        values.filter_map(|metric| metric?.value).collect()
    }
}

impl RunGroup<'_> {
    /// `base_loss_change` in nats a token, of the runs that have it.
    pub fn base_loss_changes(&self) -> Vec<f64> {
        let changes = self.runs.iter().filter_map(|run| run.base_loss_change);
        changes.map(|change| change.change).collect()
    }
}

impl FloorGroup<'_> {
    /// Values of a metric, of the seeds that have it.
    pub fn values(&self, metric: &str) -> Vec<f64> {
        let values = self.seeds.values().map(|metrics| metrics.get(metric));
        values.filter_map(|metric| metric?.value).collect()
    }
}

/// The runs by label.
pub fn run_groups(runs: &[RunRecord]) -> Vec<RunGroup<'_>> {
    let mut groups: BTreeMap<&str, Vec<&RunRecord>> = BTreeMap::new();
    for run in runs {
        groups.entry(&run.label).or_default().push(run);
    }
    let alone = of_one_experiment(runs);
    let groups = groups.into_iter().map(|(label, runs)| RunGroup {
        label,
        short: match (alone, runs.as_slice()) {
            (true, [run, ..]) => run.method.clone(),
            _ => label.to_owned(),
        },
        runs,
    });
    groups.collect()
}

/// The floors by experiment and name; several runs of one seed have the same floors.
pub fn floor_groups(runs: &[RunRecord]) -> Vec<FloorGroup<'_>> {
    let mut groups: BTreeMap<(&str, &str), BTreeMap<u64, _>> = BTreeMap::new();
    for run in runs {
        for (name, metrics) in &run.floors {
            let seeds = groups.entry((run.experiment(), name)).or_default();
            seeds.insert(run.manifest.seed, metrics);
        }
    }
    let alone = of_one_experiment(runs);
    let groups = groups.into_iter().map(|((experiment, name), seeds)| {
        let label = format!("{experiment}, floor: {name}");
        FloorGroup {
            short: match alone {
                true => format!("floor: {name}"),
                false => label.clone(),
            },
            label,
            seeds,
        }
    });
    groups.collect()
}

fn of_one_experiment(runs: &[RunRecord]) -> bool {
    runs.windows(2)
        .all(|pair| pair[0].experiment() == pair[1].experiment())
}

/// Mean, and the spread where there are several values, in percent.
pub(crate) fn mean_with_spread(values: &[f64]) -> String {
    scaled_mean_with_spread(values, 100.0, 2)
}

/// The same times `scale`, with so many decimals.
pub(crate) fn scaled_mean_with_spread(values: &[f64], scale: f64, places: usize) -> String {
    match (values.len(), mean_and_spread(values)) {
        (_, None) => "–".to_owned(),
        (1, Some((mean, _))) => decimals(scale * mean, places),
        (_, Some((mean, spread))) => {
            let spread = decimals(scale * spread, places);
            format!("{} ± {spread}", decimals(scale * mean, places))
        }
    }
}
