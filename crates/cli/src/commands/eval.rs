//! `treelora eval`: score a run again from its checkpoint.

use anyhow::Result;
use treelora_cl_bench::metrics::decimals;
use treelora_experiment::RunFolder;

use crate::{
    arguments::{EvalArguments, InputArguments, OutputArguments},
    device,
    progress::Progress,
    settings::check_there,
};

/// Print the last row of the matrix, computed anew, as JSON and in words.
pub(crate) fn run(arguments: &EvalArguments) -> Result<()> {
    let folder = RunFolder::open(&arguments.run)?;
    let inputs = InputArguments {
        data: arguments.data.clone(),
        weights: arguments.weights.clone(),
    };
    let mut config = inputs.config_of(&folder)?;
    check_there(&config)?;
    if let Some(batch_size) = arguments.batch_size {
        config.training_mut().evaluation_batch_size = batch_size;
    }
    config.validate()?;
    let device = device::choose(arguments.device.as_deref())?;
    let mut progress = Progress::new(None, OutputArguments::of_quiet(true))?;
    let experiment = config.prepare(&device, &mut |event| progress.on_event(event))?;
    let now = experiment.manifest();
    folder.check_weights(now.weights_sha256.clone())?;
    match folder.check_provenance(&now) {
        Ok(()) => {}
        Err(_) if arguments.data.is_some() => {
            folder.check_tasks(&now)?;
            eprintln!("the data are not those of the run: other examples of its tasks are scored");
        }
        Err(error) => return Err(error.into()),
    }
    let row = experiment.score_again(&folder, arguments.shuffle)?;
    let accuracies: Vec<f64> = row.iter().filter_map(|score| score.value).collect();
    let mean = accuracies.iter().sum::<f64>() / accuracies.len().max(1) as f64;
    let shown: Vec<String> = accuracies.iter().map(|a| decimals(100.0 * a, 2)).collect();
    println!("score of each task: {}", shown.join(" "));
    println!("mean over tasks: {}", decimals(100.0 * mean, 3));
    Ok(())
}
