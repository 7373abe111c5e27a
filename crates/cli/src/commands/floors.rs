//! `treelora floors`: what the frozen backbone already does.

use anyhow::Result;
use treelora_experiment::write_json;

use crate::{
    arguments::RunArguments, commands::run::asked, device, progress::Progress, settings::Asked,
    table,
};

/// Score the floors of an experiment; with `--out`, write them as JSON.
pub(crate) fn run(arguments: &RunArguments) -> Result<()> {
    let asked = asked(
        &arguments.experiment,
        arguments.method.as_deref(),
        arguments.seed,
    )?;
    asked.placed(run_as(&asked, arguments))
}

fn run_as(asked: &Asked, arguments: &RunArguments) -> Result<()> {
    let RunArguments {
        experiment: of,
        out,
        ..
    } = arguments;
    let config = asked.config()?;
    let device = device::choose(of.device.as_deref())?;
    let mut progress = Progress::new(None, of.output)?;
    let experiment = config.prepare(&device, &mut |event| progress.on_event(event))?;
    let floors = experiment.floors(&mut |event| progress.on_event(event))?;
    progress.finish();
    match of.json {
        true => println!("{}", serde_json::to_string_pretty(&floors)?),
        false => println!("{}", table::floors(&floors)),
    }
    if let Some(out) = out {
        write_json(out, &floors)?;
    }
    Ok(())
}
