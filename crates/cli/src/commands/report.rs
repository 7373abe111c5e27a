//! `treelora report`: several runs in one table.

use anyhow::Result;
use treelora_cl_bench::{RunFolder, RunSummary};

use crate::{arguments::ReportArguments, commands::compare::by_label, table};

/// Group runs that differ in the seed alone, print mean and spread of every metric.
pub(crate) fn run(arguments: &ReportArguments) -> Result<()> {
    let runs = arguments.runs.iter();
    let summaries = runs
        .map(|run| Ok(RunFolder::open(run)?.read_json("metrics.json")?))
        .collect::<Result<Vec<RunSummary>>>()?;
    println!(
        "{}",
        table::comparison(&by_label(summaries), arguments.markdown)
    );
    Ok(())
}
