//! `treelora predict`: new images, answered with a run's model.

use anyhow::{Result, bail};
use treelora_experiment::{
    Event, ExperimentConfig, ImagePrediction, PredictionRequest, RunFolder, TaskId, image_files,
};

use crate::{arguments::PredictArguments, device, settings::check_weights_there};

/// Print the best classes of every image, a line each or as JSON.
pub(crate) fn run(arguments: &PredictArguments) -> Result<()> {
    let mut on_event = |event: &Event| {
        if let Event::Warning { message } = event {
            eprintln!("warning: {message}");
        }
    };
    let images = image_files(&arguments.images, &mut on_event)?;
    let folder = RunFolder::open(&arguments.run)?;
    let config = arguments.inputs.config_of(&folder)?;
    let config = match config {
        ExperimentConfig::Images(config) => *config,
        ExperimentConfig::Text(_) => bail!(
            "{}: a run on text; `treelora export` and `treelora generate` answer prompts",
            arguments.run.display()
        ),
    };
    check_weights_there(&config)?;
    let device = device::choose(arguments.device.as_deref())?;
    let request = PredictionRequest {
        task: arguments.task.map(TaskId),
        classes: arguments.top,
    };
    let predictions = config.predict(&folder, &images, request, &device)?;
    match arguments.json {
        true => println!("{}", serde_json::to_string_pretty(&predictions)?),
        false => predictions
            .iter()
            .for_each(|prediction| println!("{}", line(prediction))),
    }
    Ok(())
}

fn line(prediction: &ImagePrediction) -> String {
    let classes: Vec<String> = prediction
        .classes
        .iter()
        .map(|class| format!("{} ({:.3})", class.name, class.score))
        .collect();
    let task = prediction.task.map(|task| format!("  [task {task}]"));
    format!(
        "{}: {}{}",
        prediction.image.display(),
        classes.join(", "),
        task.unwrap_or_default()
    )
}
