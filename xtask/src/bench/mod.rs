//! The benchmarks as one table, with what is needed to judge it.

mod package;

mod options;

mod processor;

mod report;

mod criterion;

mod precision;

mod graphics_card;

mod contender;

mod turns;

mod conditions;

mod binary;

mod pytorch;

mod case;

mod comparison;

mod lora_step;

pub(crate) mod gpu;

mod generation;

use anyhow::{Result, bail};

pub(crate) use options::ARGUMENTS;
use options::Options;
use package::PACKAGE;
use report::Run;

use crate::workspace::Workspace;

const REPORT: &str = "docs/benchmarks.md";

/// A benchmark of whole models, ours beside others, case by case.
struct Comparison {
    /// What `--only` calls it.
    name: &'static str,
    /// Stands above its table.
    notes: &'static str,
    /// Its cases that have a part in their names; all but the tiny ones without parts.
    names: fn(&Options, &[String]) -> Vec<String>,
    run: fn(&Workspace, &Options) -> Result<Run>,
}

const COMPARISONS: [Comparison; 2] = [
    Comparison {
        name: generation::NAME,
        notes: generation::NOTES,
        names: generation::names,
        run: generation::run,
    },
    Comparison {
        name: lora_step::NAME,
        notes: lora_step::NOTES,
        names: lora_step::names,
        run: lora_step::run,
    },
];

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let benches = workspace.packages.iter().find(|p| p.name == PACKAGE);
    let mut targets: Vec<&str> = benches.map_or_else(Vec::new, |package| {
        package.benches.iter().map(String::as_str).collect()
    });
    targets.sort_unstable();
    refuse_unknown(&options.only, &targets)?;
    let comparisons = chosen(&options)?;
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
    if !options.filter.is_empty() {
        return Ok(());
    }
    for comparison in comparisons {
        let Comparison { name, notes, .. } = comparison;
        let run = (comparison.run)(workspace, &options)?;
        println!("\n## {name}\n\n{}", run.table);
        let circumstances = [circumstances.clone(), run.circumstances].concat();
        match options.measures_all() {
            true => {
                let section = report::section(&circumstances, notes, &run.table);
                report::update(&report, name, &section)?;
            }
            false => println!(
                "{REPORT} keeps its section: that is of all cases, against PyTorch, in release"
            ),
        }
    }
    Ok(())
}

/// The wanted comparisons that have a chosen case.
///
/// # Errors
/// When cases are named and none of these has them.
fn chosen(options: &Options) -> Result<Vec<&'static Comparison>> {
    let wanted = COMPARISONS.iter().filter(|c| options.wants(c.name));
    let has_case =
        |comparison: &&Comparison| !(comparison.names)(options, &options.cases).is_empty();
    let chosen: Vec<&Comparison> = wanted.clone().filter(has_case).collect();
    if chosen.is_empty() && !options.cases.is_empty() {
        let all = wanted.flat_map(|comparison| (comparison.names)(options, &[]));
        bail!(
            "no case has {:?} in its name; there are tiny, {}",
            options.cases,
            all.collect::<Vec<_>>().join(", ")
        );
    }
    Ok(chosen)
}

fn refuse_unknown(only: &[String], targets: &[&str]) -> Result<()> {
    let known = || {
        let comparisons = COMPARISONS.iter().map(|comparison| comparison.name);
        targets.iter().copied().chain(comparisons)
    };
    if let Some(unknown) = only
        .iter()
        .find(|name| !known().any(|known| known == *name))
    {
        let known = known().collect::<Vec<_>>().join(", ");
        bail!("no benchmark `{unknown}`; there are {known}");
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
        assert!(refused("generation").is_ok());
        let error = refused("kernel").unwrap_err().to_string();
        assert!(
            error.contains("`kernel`") && error.contains("kernels, choice"),
            "{error}"
        );
    }

    #[test]
    fn a_case_chooses_the_comparisons_that_have_it() {
        let chosen_by = |words: &str| {
            let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
            let chosen = chosen(&Options::parse(&words).unwrap());
            chosen.map(|chosen| chosen.iter().map(|c| c.name).collect::<Vec<_>>())
        };
        assert_eq!(chosen_by("").unwrap(), ["generation", "lora_step"]);
        assert_eq!(chosen_by("--case vit-ti").unwrap(), ["lora_step"]);
        assert_eq!(chosen_by("--case prefill").unwrap(), ["generation"]);
        assert_eq!(
            chosen_by("--case smollm2-135m").unwrap(),
            ["generation", "lora_step"]
        );
        assert_eq!(chosen_by("--only kernels").unwrap(), [""; 0]);
        let error = chosen_by("--case huge").unwrap_err().to_string();
        assert!(
            error.contains("huge") && error.contains("vit-b batch 8 f32"),
            "{error}"
        );
    }
}
