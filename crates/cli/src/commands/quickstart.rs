//! `treelora quickstart`: the whole tool in a few minutes, without any files.

use std::path::Path;

use anyhow::Result;
use treelora_experiment::{ExperimentConfig, RunFolder};

use crate::{
    arguments::{OutputArguments, QuickstartArguments},
    commands::compare::run_all,
    device, table,
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
    let overrides = [("training.seed".to_owned(), arguments.seed.to_string())];
    let configs = ["sequential-lora", "tree-lora"].map(|method| {
        let config = ExperimentConfig::parse(CONFIG, source, Some(method), &overrides)?;
        RunFolder::check_free(&arguments.out.join(method))?;
        Ok((method.to_owned(), config))
    });
    let configs = configs.into_iter().collect::<Result<_>>()?;
    // The pre-training happens once.
    let as_is = |_, outcome| outcome;
    let output = OutputArguments::default();
    let summaries = run_all(configs, &arguments.out, &device, output, &as_is)?;
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
