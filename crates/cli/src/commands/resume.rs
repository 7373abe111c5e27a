//! `treelora resume`: continue after the last complete task, with equal results.

use anyhow::Result;
use treelora_cl_bench::{ExperimentConfig, RunFolder};

use crate::{arguments::ResumeArguments, device, progress::Progress, table};

/// Continue the run in its own folder.
pub(crate) fn run(arguments: &ResumeArguments) -> Result<()> {
    let folder = RunFolder::open(&arguments.run)?;
    let config = ExperimentConfig::load(&folder.config_path(), None, &[])?;
    let device = device::choose(arguments.device.as_deref())?;
    let mut progress = Progress::new(Some(folder.path()), arguments.quiet)?;
    let experiment = config.prepare(&device, &mut |event| progress.on_event(event))?;
    folder.check_provenance(&experiment.manifest())?;
    let summary = experiment.run(&folder, &mut |event| progress.on_event(event))?;
    progress.finish();
    println!("{}", table::summary(&summary));
    Ok(())
}
