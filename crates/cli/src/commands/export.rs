//! `treelora export`: the adapter of a task for other tools.

use anyhow::Result;
use treelora_experiment::{RunFolder, export_adapter};

use crate::arguments::{ExportArguments, ExportFormat};

/// Write the adapter that answered after a task as a folder of Hugging Face PEFT.
pub(crate) fn run(arguments: &ExportArguments) -> Result<()> {
    let run = RunFolder::open(&arguments.run)?;
    match arguments.format {
        ExportFormat::Peft => export_adapter(&run, arguments.task, &arguments.out)?,
    }
    println!(
        "adapter after task {} of {}: {}",
        arguments.task,
        arguments.run.display(),
        arguments.out.display()
    );
    Ok(())
}
