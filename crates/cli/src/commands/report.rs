//! `treelora report`: several runs in one table.

use std::collections::BTreeMap;

use anyhow::Result;
use treelora_cl_bench::{RunFolder, RunSummary};

use crate::{arguments::ReportArguments, table};

/// Group runs that differ in the seed alone, print mean and spread of every metric.
pub(crate) fn run(arguments: &ReportArguments) -> Result<()> {
    let mut groups: BTreeMap<String, Vec<RunSummary>> = BTreeMap::new();
    for run in &arguments.runs {
        let folder = RunFolder::open(run)?;
        let summary: RunSummary = folder.read_json("metrics.json")?;
        groups
            .entry(summary.label.clone())
            .or_default()
            .push(summary);
    }
    println!("{}", table::comparison(&groups, arguments.markdown));
    Ok(())
}
