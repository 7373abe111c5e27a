//! `treelora run`: one method over the tasks of a stream.

use std::path::PathBuf;

use anyhow::Result;
use treelora_experiment::{Experiment, RunFolder, RunSummary};

use crate::{
    arguments::{ExperimentArguments, OutputArguments, RunArguments},
    device, interrupt,
    progress::Progress,
    settings::{Asked, key_and_value, path_setting},
    table,
};

/// Train, evaluate after each task, write the run's folder, print the tables.
pub(crate) fn run(arguments: &RunArguments) -> Result<()> {
    let asked = asked(
        &arguments.experiment,
        arguments.method.as_deref(),
        arguments.seed,
    )?;
    asked.placed(run_as(&asked, arguments))
}

fn run_as(asked: &Asked, arguments: &RunArguments) -> Result<()> {
    let config = asked.config()?;
    let device = device::choose(arguments.experiment.device.as_deref())?;
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => PathBuf::from("runs").join(config.run_name()),
    };
    // The folder comes first: a run that cannot be kept must not be trained.
    RunFolder::check_free(&out)?;
    let output = arguments.experiment.output;
    let mut progress = Progress::new(None, output)?;
    let experiment = config.prepare(&device, &mut |event| progress.on_event(event))?;
    progress.finish();
    let folder = RunFolder::create(&out, &experiment.config_toml()?, &experiment.manifest())?;
    let summary = execute(experiment.as_ref(), &folder, output)?;
    if arguments.experiment.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
        return Ok(());
    }
    println!("{}", table::summary(&summary));
    println!(
        "results: {}\nnext: treelora report {} ...   (compare runs)",
        out.display(),
        out.display()
    );
    Ok(())
}

/// The experiment of the file with the overrides of the command line.
pub(crate) fn asked(
    arguments: &ExperimentArguments,
    method: Option<&str>,
    seed: Option<u64>,
) -> Result<Asked> {
    let mut overrides = Vec::new();
    overrides.extend(path_setting("data.path", arguments.data.as_ref())?);
    overrides.extend(path_setting("model.weights", arguments.weights.as_ref())?);
    if let Some(seed) = seed {
        overrides.push(("training.seed".to_owned(), seed.to_string()));
    }
    if arguments.allow_missing {
        overrides.push(("data.allow_missing".to_owned(), "true".to_owned()));
    }
    for setting in &arguments.set {
        overrides.push(key_and_value(setting)?);
    }
    Ok(Asked {
        file: arguments.config.clone(),
        method: method.map(str::to_owned),
        changes: overrides,
    })
}

/// Run a prepared experiment from the folder's last checkpoint to the end, or to Ctrl-C.
pub(crate) fn execute(
    experiment: &dyn Experiment,
    folder: &RunFolder,
    output: OutputArguments,
) -> Result<RunSummary> {
    let mut progress = Progress::new(Some(folder.path()), output)?;
    let folder = folder.clone().stopped_by(interrupt::stop_flag()?);
    let summary = experiment.run(&folder, &mut |event| progress.on_event(event))?;
    progress.finish();
    Ok(summary)
}
