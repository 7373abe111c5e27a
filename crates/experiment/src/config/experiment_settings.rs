//! What every experiment is set to, whatever its examples are.

use std::path::Path;

use treelora_core::Error;

use crate::config::{
    experiment_config::ExperimentConfig, image_experiment_config::ImageExperimentConfig,
    text_experiment_config::TextExperimentConfig, training::TrainingConfig,
};

/// The settings of an experiment on one kind of examples.
pub trait ExperimentSettings: Sized {
    /// These settings, or those of an experiment on other examples back.
    ///
    /// # Errors
    /// `config`, as it came.
    fn of(config: ExperimentConfig) -> Result<Self, ExperimentConfig>;

    /// Back to an experiment on any examples.
    fn into_config(self) -> ExperimentConfig;

    /// Optimiser, schedule, batch sizes, seed.
    fn training(&self) -> &TrainingConfig;

    /// Where the weights of the model come from; `None` when they are made in the run.
    fn weights(&self) -> Option<&Path>;

    /// Where the data come from; `None` when they are generated.
    fn data(&self) -> Option<&Path>;

    /// Whether `other` asks for the same examples and the same frozen model.
    fn has_inputs_of(&self, other: &Self) -> bool;

    /// The method or its variant.
    fn method_label(&self) -> String;

    /// Experiment and method: runs of equal label differ in the seed alone.
    fn label(&self) -> String;

    /// The configuration as TOML, every setting spelled out.
    ///
    /// # Errors
    /// When a value has no TOML form.
    fn to_toml(&self) -> Result<String, Error>;
}

impl ExperimentSettings for ImageExperimentConfig {
    fn of(config: ExperimentConfig) -> Result<Self, ExperimentConfig> {
        match config {
            ExperimentConfig::Images(config) => Ok(*config),
            other => Err(other),
        }
    }

    fn into_config(self) -> ExperimentConfig {
        ExperimentConfig::Images(Box::new(self))
    }

    fn training(&self) -> &TrainingConfig {
        &self.training
    }

    fn weights(&self) -> Option<&Path> {
        self.model.weights.as_deref()
    }

    fn data(&self) -> Option<&Path> {
        self.data.path()
    }

    fn has_inputs_of(&self, other: &Self) -> bool {
        Self::has_inputs_of(self, other)
    }

    fn method_label(&self) -> String {
        Self::method_label(self)
    }

    fn label(&self) -> String {
        Self::label(self)
    }

    fn to_toml(&self) -> Result<String, Error> {
        Self::to_toml(self)
    }
}

impl ExperimentSettings for TextExperimentConfig {
    fn of(config: ExperimentConfig) -> Result<Self, ExperimentConfig> {
        match config {
            ExperimentConfig::Text(config) => Ok(*config),
            other => Err(other),
        }
    }

    fn into_config(self) -> ExperimentConfig {
        ExperimentConfig::Text(Box::new(self))
    }

    fn training(&self) -> &TrainingConfig {
        &self.training
    }

    fn weights(&self) -> Option<&Path> {
        Some(&self.model.weights)
    }

    fn data(&self) -> Option<&Path> {
        self.data.path.as_deref()
    }

    fn has_inputs_of(&self, other: &Self) -> bool {
        Self::has_inputs_of(self, other)
    }

    fn method_label(&self) -> String {
        Self::method_label(self)
    }

    fn label(&self) -> String {
        Self::label(self)
    }

    fn to_toml(&self) -> Result<String, Error> {
        Self::to_toml(self)
    }
}
