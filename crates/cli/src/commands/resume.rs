//! `treelora resume`: continue after the last checkpoint, with equal results.

use anyhow::Result;
use treelora_experiment::RunFolder;

use crate::{
    arguments::ResumeArguments, commands::run::execute, device, progress::Progress,
    settings::check_there, table,
};

/// Continue the run in its own folder.
pub(crate) fn run(arguments: &ResumeArguments) -> Result<()> {
    let folder = RunFolder::open(&arguments.run)?;
    let config = arguments.inputs.config_of(&folder)?;
    check_there(&config)?;
    let device = device::choose(arguments.device.as_deref())?;
    let mut progress = Progress::new(None, arguments.output)?;
    let experiment = config.prepare(&device, &mut |event| progress.on_event(event))?;
    progress.finish();
    folder.check_provenance(&experiment.manifest())?;
    let summary = execute(experiment.as_ref(), &folder, arguments.output)?;
    println!("{}", table::summary(&summary));
    Ok(())
}
