//! What differs between experiments on one kind of examples and on another.

use burn::tensor::Device;
use treelora_cl_bench::{StreamData, metrics::TaskScore};
use treelora_core::{ContinualModel, Error, Learner, Method, TaskId};

use crate::{
    config::{experiment_config::ExperimentConfig, experiment_settings::ExperimentSettings},
    event::Event,
    folder::{base_loss_change::GeneralLoss, checkpoint::RunFolder, summary::Floors},
    run::evaluation::Scoring,
};

/// A model and its examples, ready to be learned and scored: all that a
/// [`PreparedExperiment`](crate::PreparedExperiment) has to know of images or of text.
pub trait Inputs: Sized {
    /// What is set in a file.
    type Settings: ExperimentSettings
        + Clone
        + Into<ExperimentConfig>
        + TryFrom<ExperimentConfig, Error = ExperimentConfig>;

    /// What learns.
    type Model: ContinualModel;

    /// Open the data and load, or make, the model on the training device; what takes long is said.
    ///
    /// # Errors
    /// From data, weights or settings.
    fn open(
        settings: &Self::Settings,
        device: &Device,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Self, Error>;

    /// These inputs for other settings that [have the same](ExperimentSettings::has_inputs_of); `None` when others are
    /// needed all the same.
    ///
    /// # Errors
    /// When the settings do not fit the model or the stream.
    fn reused(self, next: &Self::Settings) -> Result<Option<Self>, Error>;

    /// The frozen model without adapters, on the training device.
    fn model(&self) -> &Self::Model;

    /// The stream.
    fn data(&self) -> &dyn StreamData<<Self::Model as ContinualModel>::Batch>;

    /// The method that learns.
    ///
    /// # Errors
    /// When the settings do not fit the model.
    fn method(&self, settings: &Self::Settings) -> Result<Box<dyn Method<Self::Model>>, Error>;

    /// How answers are scored, and where they are kept, if anywhere.
    fn scoring<'a>(
        &'a self,
        settings: &'a Self::Settings,
        folder: Option<&'a RunFolder>,
    ) -> Box<dyn Scoring<Self::Model> + 'a>;

    /// What needs no training, by name.
    ///
    /// # Errors
    /// From the data.
    fn floors(
        &self,
        settings: &Self::Settings,
        device: &Device,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Floors, Error>;

    /// Loss of `model` on examples that no task is about, where there are such.
    fn general_loss(&self, _model: &Self::Model) -> Option<GeneralLoss> {
        None
    }

    /// Scores on the tasks up to `after` with the test examples of all of them in one sequence, shuffled by `seed`.
    ///
    /// # Errors
    /// From the data, or where examples never share a batch.
    fn score_mixed(
        &self,
        settings: &Self::Settings,
        method: &dyn Method<Self::Model>,
        answering: &Learner<Self::Model>,
        after: TaskId,
        seed: u64,
    ) -> Result<Vec<TaskScore>, Error>;

    /// Write what is known of the examples into the folder of a run.
    ///
    /// # Errors
    /// When writing fails.
    fn describe(&self, _folder: &RunFolder) -> Result<(), Error> {
        Ok(())
    }
}
