//! What can be done with a prepared experiment, whatever its examples are.

use treelora_cl_bench::metrics::TaskScore;
use treelora_core::Error;

use crate::{
    config::experiment_config::ExperimentConfig,
    event::Event,
    folder::{
        checkpoint::RunFolder,
        manifest::Manifest,
        run_lock::RunLock,
        summary::{Floors, RunSummary},
    },
};

/// A configuration with its model and data at hand.
pub trait Experiment {
    /// The experiment of another configuration, with the model, the data and what was computed of
    /// them where the two have these in common. Its results are those of an experiment prepared
    /// anew.
    ///
    /// # Errors
    /// When the settings of `config` do not fit the model or the stream.
    fn reconfigured(self: Box<Self>, config: ExperimentConfig) -> Result<Reconfigured, Error>;

    /// The configuration as TOML, every setting spelled out.
    ///
    /// # Errors
    /// When a value has no TOML form.
    fn config_toml(&self) -> Result<String, Error>;

    /// Where the results will come from.
    fn manifest(&self) -> Manifest;

    /// Train on what the folder's checkpoint has not seen yet, and write results and floors.
    ///
    /// # Errors
    /// From data, method or files.
    fn run(
        &self,
        folder: &RunFolder,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<RunSummary, Error>;

    /// What needs no training, by name.
    ///
    /// # Errors
    /// From the data.
    fn floors(&self, on_event: &mut dyn FnMut(&Event)) -> Result<Floors, Error>;

    /// The last row of the matrix, computed anew from the folder's checkpoint. With `shuffle`, the
    /// test examples of all tasks are mixed into common batches; the row must not change.
    ///
    /// # Errors
    /// When the run has no checkpoint, or from the data.
    fn score_again(
        &self,
        folder: &RunFolder,
        shuffle: Option<u64>,
    ) -> Result<Vec<TaskScore>, Error>;
}

/// What became of [`Experiment::reconfigured`].
pub enum Reconfigured {
    /// Model and data were used again.
    Ready(Box<dyn Experiment>),
    /// The configuration needs another model or other data.
    NeedsOtherInputs(ExperimentConfig),
}

/// Make a folder ready to be written: no other process works on it, and its last checkpoint is
/// whole.
///
/// # Errors
/// When another process has the folder.
pub(crate) fn take(folder: &RunFolder, on_event: &mut dyn FnMut(&Event)) -> Result<RunLock, Error> {
    let lock = folder.lock()?;
    for problem in folder.set_damaged_aside()? {
        let message = format!("{problem}; the checkpoint before it is used");
        on_event(&Event::Warning { message });
    }
    Ok(lock)
}
