//! `treelora eval`: score a run again from its checkpoint.

use anyhow::Result;
use treelora_experiment::RunFolder;

use crate::{
    arguments::{EvalArguments, OutputArguments},
    commands::run::quoted,
    device,
    progress::Progress,
};

/// Print the last row of the matrix, computed anew, as JSON and in words.
pub(crate) fn run(arguments: &EvalArguments) -> Result<()> {
    let folder = RunFolder::open(&arguments.run)?;
    let other_data = arguments.data.as_ref().map(|data| {
        let path = quoted(&data.display().to_string());
        ("data.path".to_owned(), path)
    });
    let changes: Vec<_> = other_data.clone().into_iter().collect();
    let mut config = folder.config(&changes)?;
    if let Some(batch_size) = arguments.batch_size {
        config.training_mut().evaluation_batch_size = batch_size;
    }
    config.validate()?;
    let device = device::choose(arguments.device.as_deref())?;
    let mut progress = Progress::new(None, OutputArguments::of_quiet(true))?;
    let experiment = config.prepare(&device, &mut |event| progress.on_event(event))?;
    match other_data {
        None => folder.check_provenance(&experiment.manifest())?,
        Some(_) => folder.check_tasks(&experiment.manifest())?,
    }
    let row = experiment.score_again(&folder, arguments.shuffle)?;
    let accuracies: Vec<f64> = row.iter().filter_map(|score| score.value).collect();
    let mean = accuracies.iter().sum::<f64>() / accuracies.len().max(1) as f64;
    let shown: Vec<String> = accuracies
        .iter()
        .map(|a| format!("{:.2}", 100.0 * a))
        .collect();
    println!("score of each task: {}", shown.join(" "));
    println!("mean over tasks: {:.3}", 100.0 * mean);
    Ok(())
}
