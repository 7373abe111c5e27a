//! `treelora quickstart`: the whole tool in a few minutes, without any files.

use std::path::Path;

use anyhow::Result;
use treelora_cl_bench::{ImageExperiment, ImageExperimentConfig};

use crate::{
    arguments::QuickstartArguments, commands::run::execute_prepared, device, progress::Progress,
    table,
};

const CONFIG: &str = include_str!("../../../../configs/quickstart.toml");

/// Pre-train a small model on base classes, then compare two methods on five tasks of new classes.
pub(crate) fn run(arguments: &QuickstartArguments) -> Result<()> {
    let device = device::choose(arguments.device.as_deref())?;
    println!(
        "Pictures are generated; a small vision transformer is pre-trained on base classes, then\n\
         learns five tasks of new classes one after the other. Nothing is downloaded.\n"
    );
    let source = Path::new("configs/quickstart.toml");
    let mut summaries = Vec::new();
    let mut prepared: Option<ImageExperiment> = None;
    for method in ["sequential-lora", "tree-lora"] {
        let overrides = [("training.seed".to_owned(), arguments.seed.to_string())];
        let config = ImageExperimentConfig::parse(CONFIG, source, Some(method), &overrides)?;
        // Model and data are those of the first method: the pre-training happens once.
        let experiment = match prepared.take() {
            Some(experiment) => experiment.with_config(config),
            None => {
                println!("pre-training on the base classes");
                let mut progress = Progress::new(None, false)?;
                let experiment = ImageExperiment::prepare(config, &device, &mut |event| {
                    progress.on_event(event)
                })?;
                progress.finish();
                experiment
            }
        };
        println!("{method}");
        let out = arguments.out.join(method);
        summaries.push(execute_prepared(&experiment, &out, false)?);
        prepared = Some(experiment);
    }
    println!();
    for summary in &summaries {
        println!("{}", table::summary(summary));
    }
    println!("{}", table::side_by_side(&summaries));
    println!(
        "Rows are time, columns are tasks: read down a column to see a task being forgotten.\n\
         Results are in {}. Next:\n  \
         treelora list                     methods, data sets, presets\n  \
         treelora run configs/split-cifar100-vit-tiny.toml --data DIR --weights FILE\n  \
         docs/ARCHITECTURE.md              how it works",
        arguments.out.display()
    );
    Ok(())
}
