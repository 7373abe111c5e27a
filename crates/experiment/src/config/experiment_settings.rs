//! What every experiment is set to, whatever its examples are.

use std::path::{Path, PathBuf};

use crate::config::{evaluation::EvaluationRows, training::TrainingConfig};

/// The settings of an experiment on one kind of examples.
pub trait ExperimentSettings {
    /// Name of the experiment.
    fn name(&self) -> &str;

    /// The variant, or the method's own name.
    fn method_label(&self) -> String;

    /// Optimiser, schedule, batch sizes, seed.
    fn training(&self) -> &TrainingConfig;

    /// The same, to be changed.
    fn training_mut(&mut self) -> &mut TrainingConfig;

    /// What is scored after which task.
    fn evaluation_rows(&self) -> EvaluationRows {
        EvaluationRows::All
    }

    /// Where the weights of the model come from; `None` when they are made in the run.
    fn weights(&self) -> Option<&Path>;

    /// Where the data come from; `None` when they are generated.
    fn data(&self) -> Option<&Path>;

    /// Where the data are that do not lie there; `None` for most.
    fn more_data(&self) -> Option<&Path> {
        None
    }

    /// Every file and folder that the settings name.
    fn paths_mut(&mut self) -> Vec<&mut PathBuf>;

    /// Whether `other` asks for the same examples and the same frozen model.
    fn has_inputs_of(&self, other: &Self) -> bool
    where
        Self: Sized;

    /// Experiment and method: runs of equal label differ in the seed alone.
    fn label(&self) -> String {
        format!("{}-{}", self.name(), self.method_label())
    }

    /// Label and seed.
    fn run_name(&self) -> String {
        format!("{}-{}", self.label(), self.training().seed)
    }
}
