//! `treelora report`: several runs in one table and on one page.

use std::path::{Path, PathBuf};

use anyhow::Result;
use treelora_experiment::{RunFolder, RunSummary};
use treelora_report::Report;

use crate::{arguments::ReportArguments, commands::compare::by_label, table};

/// Group runs that differ in the seed alone, print mean and spread of every metric, and write the
/// page with all figures.
pub(crate) fn run(arguments: &ReportArguments) -> Result<()> {
    let summaries = finished(&arguments.runs)?;
    if !summaries.is_empty() {
        println!(
            "{}",
            table::comparison(&by_label(summaries), arguments.markdown)
        );
    }
    let report = Report::read(&arguments.runs)?;
    let html = match (&arguments.html, arguments.runs.as_slice()) {
        (Some(html), _) => html.clone(),
        (None, [run]) => run.join("report.html"),
        (None, _) => PathBuf::from("report.html"),
    };
    let figures = match &arguments.figures {
        Some(figures) => figures.clone(),
        None => beside(&html),
    };
    report.write(&html, &figures)?;
    println!(
        "report: {}\nfigures: {}   (SVG and CSV)",
        html.display(),
        figures.display()
    );
    Ok(())
}

/// The summaries of the runs that have one.
fn finished(runs: &[PathBuf]) -> Result<Vec<RunSummary>> {
    let mut summaries = Vec::new();
    for run in runs {
        match RunFolder::open(run)?.summary()? {
            Some(summary) => summaries.push(summary),
            None => eprintln!("{}: not finished, on the page only", run.display()),
        }
    }
    Ok(summaries)
}

/// `NAME-figures` beside `NAME.html`.
fn beside(html: &Path) -> PathBuf {
    let mut name = html.file_stem().unwrap_or_default().to_owned();
    name.push("-figures");
    html.with_file_name(name)
}
