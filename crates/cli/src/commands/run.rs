//! `treelora run`: one method over the tasks of a stream.

use std::path::{Path, PathBuf};

use anyhow::Result;
use burn::tensor::Device;
use treelora_cl_bench::{Experiment, ExperimentConfig, RunFolder, RunSummary};

use crate::{arguments::RunArguments, device, progress::Progress, table};

/// Train, evaluate after each task, write the run's folder, print the tables.
pub(crate) fn run(arguments: &RunArguments) -> Result<()> {
    let config = configure(arguments)?;
    let device = device::choose(arguments.device.as_deref())?;
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => PathBuf::from("runs").join(config.run_name()),
    };
    let summary = execute(config, &device, &out, arguments.quiet)?;
    println!("{}", table::summary(&summary));
    println!(
        "results: {}\nnext: treelora report {} ...   (compare runs)",
        out.display(),
        out.display()
    );
    Ok(())
}

/// The experiment of the file with the overrides of the command line.
pub(crate) fn configure(arguments: &RunArguments) -> Result<ExperimentConfig> {
    let mut overrides = Vec::new();
    if let Some(data) = &arguments.data {
        overrides.push(("data.path".to_owned(), quoted(&data.display().to_string())));
    }
    if let Some(weights) = &arguments.weights {
        overrides.push((
            "model.weights".to_owned(),
            quoted(&weights.display().to_string()),
        ));
    }
    if let Some(seed) = arguments.seed {
        overrides.push(("training.seed".to_owned(), seed.to_string()));
    }
    if arguments.allow_missing {
        overrides.push(("data.allow_missing".to_owned(), "true".to_owned()));
    }
    for setting in &arguments.set {
        overrides.push(key_and_value(setting)?);
    }
    Ok(ExperimentConfig::load(
        &arguments.config,
        arguments.method.as_deref(),
        &overrides,
    )?)
}

/// Key and value of a `--set`.
pub(crate) fn key_and_value(setting: &str) -> Result<(String, String)> {
    let Some((key, value)) = setting.split_once('=') else {
        anyhow::bail!("--set {setting}: expected KEY=VALUE");
    };
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// A TOML string.
pub(crate) fn quoted(text: &str) -> String {
    format!("'''{text}'''")
}

/// Prepare an experiment and run it into a new folder.
pub(crate) fn execute(
    config: ExperimentConfig,
    device: &Device,
    out: &Path,
    quiet: bool,
) -> Result<RunSummary> {
    // The folder comes first: a run that cannot be kept must not be trained.
    RunFolder::check_free(out)?;
    let mut progress = Progress::new(None, quiet)?;
    let experiment = config.prepare(device, &mut |event| progress.on_event(event))?;
    progress.finish();
    execute_prepared(experiment.as_ref(), out, quiet)
}

/// Run a prepared experiment into a new folder.
pub(crate) fn execute_prepared(
    experiment: &dyn Experiment,
    out: &Path,
    quiet: bool,
) -> Result<RunSummary> {
    let folder = RunFolder::create(out, &experiment.config_toml()?, &experiment.manifest())?;
    let mut progress = Progress::new(Some(folder.path()), quiet)?;
    let summary = experiment.run(&folder, &mut |event| progress.on_event(event))?;
    progress.finish();
    Ok(summary)
}
