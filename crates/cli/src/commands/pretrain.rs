//! `treelora pretrain`: a model from scratch.

use std::path::PathBuf;

use anyhow::{Context, Result};
use treelora_experiment::{PretrainingFile, PretrainingReport, RunFolder};

use crate::{
    arguments::{OutputArguments, PretrainArguments},
    device,
    progress::Progress,
    settings::{key_and_value, path_setting},
};

/// Train, write the model's folder, print what it learned and how to use it.
pub(crate) fn run(arguments: &PretrainArguments) -> Result<()> {
    let file = configure(arguments)?;
    let device = device::choose(arguments.device.as_deref())?;
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => PathBuf::from("models").join(file.model_name()),
    };
    RunFolder::check_free(&out)?;
    let weights = match &file {
        PretrainingFile::Images(_) => out.join("model.safetensors"),
        PretrainingFile::Text(_) => out.clone(),
    };
    // The data comes before the folder: what cannot be learned leaves nothing behind.
    let pretraining = file.prepare()?;
    std::fs::create_dir_all(&out).with_context(|| out.display().to_string())?;
    let mut progress = Progress::new(Some(&out), OutputArguments::of_quiet(arguments.quiet))?;
    let report = pretraining.run(&out, &device, &mut |event| progress.on_event(event))?;
    progress.finish();
    println!(
        "{}\nmodel: {}\nnext: treelora run CONFIG --weights {}",
        summary(&report),
        out.display(),
        weights.display()
    );
    Ok(())
}

/// The pre-training of the file with the overrides of the command line.
fn configure(arguments: &PretrainArguments) -> Result<PretrainingFile> {
    let mut overrides = Vec::new();
    overrides.extend(path_setting("data.path", arguments.data.as_ref())?);
    if let Some(seed) = arguments.seed {
        overrides.push(("training.seed".to_owned(), seed.to_string()));
    }
    for setting in &arguments.set {
        overrides.push(key_and_value(setting)?);
    }
    Ok(PretrainingFile::load(&arguments.config, &overrides)?)
}

fn summary(report: &PretrainingReport) -> String {
    let validation = match report.validation_loss {
        Some(loss) => format!(", {loss:.4} on what was held out"),
        None => String::new(),
    };
    format!(
        "{} parameters, {} steps, loss {:.4}{validation}",
        report.parameters, report.steps, report.training_loss
    )
}
