//! `treelora compare`: several methods and seeds over one stream.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use burn::tensor::Device;
use treelora_experiment::{Experiment, ExperimentConfig, RunFolder, RunSummary};

use crate::{
    arguments::{CompareArguments, OutputArguments},
    commands::run::{asked, execute},
    device,
    progress::Progress,
    settings::working_folder,
    table,
};

/// Run what is not there yet, then print one table.
pub(crate) fn run(arguments: &CompareArguments) -> Result<()> {
    let device = device::choose(arguments.experiment.device.as_deref())?;
    // All settings are read first: a mistake in the last method must not cost the runs before it.
    let mut configs = Vec::new();
    let mut all = Vec::new();
    for &seed in &arguments.seeds {
        for method in &arguments.methods {
            let asked = asked(&arguments.experiment, Some(method), Some(seed))?;
            configs.push((format!("{method}-{seed}"), asked.config()?));
            all.push(asked);
        }
    }
    let output = arguments.experiment.output;
    let placed = |index: usize, outcome| all[index].placed(outcome);
    let summaries = run_all(configs, &arguments.out, &device, output, &placed)?;
    if arguments.experiment.json {
        println!("{}", serde_json::to_string_pretty(&summaries)?);
        return Ok(());
    }
    println!("{}", table::comparison(&by_label(summaries), false));
    println!("results: {}", arguments.out.display());
    Ok(())
}

/// Every experiment in its own folder under `out`: a finished one is read, an interrupted one
/// continued. Neighbours share model and data where they can. What comes of one passes through `outcome`, which knows
/// where its settings were said.
pub(crate) fn run_all(
    configs: Vec<(String, ExperimentConfig)>,
    out: &Path,
    device: &Device,
    output: OutputArguments,
    outcome: &dyn Fn(usize, Result<RunSummary>) -> Result<RunSummary>,
) -> Result<Vec<RunSummary>> {
    let mut summaries = Vec::new();
    let mut prepared: Option<Box<dyn Experiment>> = None;
    for (index, (name, config)) in configs.into_iter().enumerate() {
        let path = out.join(&name);
        let earlier = match path.join("manifest.json").exists() {
            true => Some(RunFolder::open(&path)?),
            false => None,
        };
        if let Some(folder) = &earlier {
            config.check_same_as(&folder.config_path(), &working_folder()?)?;
            if let Some(summary) = folder.summary()? {
                summaries.push(summary);
                continue;
            }
        }
        eprintln!("{name}");
        let summary = run_one(config, &mut prepared, (&path, earlier), device, output);
        summaries.push(outcome(index, summary)?);
    }
    Ok(summaries)
}

/// One experiment, with model and data of the one before it where they are the same, in a folder that is there or made.
fn run_one(
    config: ExperimentConfig,
    prepared: &mut Option<Box<dyn Experiment>>,
    (path, earlier): (&Path, Option<RunFolder>),
    device: &Device,
    output: OutputArguments,
) -> Result<RunSummary> {
    let mut progress = Progress::new(None, output)?;
    let experiment = config.prepare_after(prepared.take(), device, &mut |event| {
        progress.on_event(event);
    })?;
    progress.finish();
    let folder = match earlier {
        Some(folder) => {
            folder.check_provenance(&experiment.manifest())?;
            folder
        }
        None => RunFolder::create(path, &experiment.config_toml()?, &experiment.manifest())?,
    };
    let summary = execute(experiment.as_ref(), &folder, output)?;
    *prepared = Some(experiment);
    Ok(summary)
}

/// Runs that differ in the seed alone, together.
pub(crate) fn by_label(summaries: Vec<RunSummary>) -> BTreeMap<String, Vec<RunSummary>> {
    let mut groups: BTreeMap<String, Vec<RunSummary>> = BTreeMap::new();
    for summary in summaries {
        let group = groups.entry(summary.label.clone()).or_default();
        group.push(summary);
    }
    groups
}
