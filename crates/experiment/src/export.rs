//! Adapters of a run for other tools.

use std::path::Path;

use burn::tensor::Device;
use treelora_core::{Error, TaskId};
use treelora_lora::peft::{self, ModuleNames, PeftOptions};

use crate::{config::experiment_config::ExperimentConfig, folder::checkpoint::RunFolder};

/// Write the adapter that answered after training on task number `task` as a folder of Hugging
/// Face PEFT, with the module names of transformers (text) or timm (images).
///
/// # Errors
/// When the run has not come so far, its method has no adapter, or writing fails.
pub fn export_adapter(run: &RunFolder, task: usize, out: &Path) -> Result<(), Error> {
    let options = match run.config(&[])? {
        ExperimentConfig::Text(config) => PeftOptions {
            names: ModuleNames::causal_lm(),
            task_type: Some("CAUSAL_LM".into()),
            base_model_name_or_path: Some(config.model.weights.display().to_string()),
            ..PeftOptions::default()
        },
        ExperimentConfig::Images(config) => PeftOptions {
            names: config.model.family.module_names(),
            ..PeftOptions::default()
        },
    };
    let adapter = run.adapter_of(TaskId(task), &Device::default())?;
    peft::save(out, &adapter, &options).map_err(|e| Error::format(out, e.to_string()))
}
