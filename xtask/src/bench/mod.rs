//! The benchmarks as one table, with what is needed to judge it.

mod package;

mod options;

mod criterion;

mod case;

mod graphics_card;

mod contender;

mod comparison;

pub(crate) mod gpu;

mod lora_step;

mod processor;

mod report;

use anyhow::{Result, bail};

pub(crate) use options::ARGUMENTS;
use options::Options;
use package::PACKAGE;

use crate::workspace::Workspace;

const REPORT: &str = "docs/benchmarks.md";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let benches = workspace.packages.iter().find(|p| p.name == PACKAGE);
    let mut targets: Vec<&str> = benches.map_or_else(Vec::new, |package| {
        package.benches.iter().map(String::as_str).collect()
    });
    targets.sort_unstable();
    refuse_unknown(&options.only, &targets)?;
    let circumstances = report::circumstances(workspace, &options, arguments)?;
    let report = workspace.root.join(REPORT);
    for name in targets.into_iter().filter(|name| options.wants(name)) {
        let table = criterion::run(workspace, &options, name)?;
        println!("\n## {name}\n\n{table}");
        match options.filter.is_empty() {
            true => report::update(&report, name, &report::section(&circumstances, "", &table))?,
            false => println!("{REPORT} keeps its section: a filter was given"),
        }
    }
    if options.filter.is_empty() && options.wants(lora_step::NAME) {
        let run = lora_step::run(workspace, &options)?;
        println!("\n## {}\n\n{}", lora_step::NAME, run.table);
        let circumstances = [circumstances, run.circumstances].concat();
        match options.measures_all() {
            true => {
                let section = report::section(&circumstances, lora_step::NOTES, &run.table);
                report::update(&report, lora_step::NAME, &section)?;
            }
            false => println!(
                "{REPORT} keeps its section: that is of all cases, against PyTorch, in release"
            ),
        }
    }
    Ok(())
}

fn refuse_unknown(only: &[String], targets: &[&str]) -> Result<()> {
    let is_known = |name: &&String| **name == lora_step::NAME || targets.contains(&name.as_str());
    if let Some(unknown) = only.iter().find(|name| !is_known(name)) {
        let known = targets.join(", ");
        bail!(
            "no benchmark `{unknown}`; there are {known}, {}",
            lora_step::NAME
        );
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_benchmark_is_named_with_those_there_are() {
        let refused = |name: &str| refuse_unknown(&[name.to_owned()], &["kernels", "choice"]);
        assert!(refused("kernels").is_ok() && refused("lora_step").is_ok());
        let error = refused("kernel").unwrap_err().to_string();
        assert!(
            error.contains("`kernel`") && error.contains("kernels, choice"),
            "{error}"
        );
    }
}
