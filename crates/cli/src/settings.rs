//! From the options of the command line to settings that are laid over a file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use treelora_experiment::{Error, ExperimentConfig, ExperimentSettings, RunFolder};

use crate::arguments::InputArguments;

/// A dotted key and its value as TOML.
pub(crate) type Setting = (String, String);

/// An experiment as it is asked for: a file, a variant or method, and what is laid over them.
pub(crate) struct Asked {
    pub(crate) file: PathBuf,
    pub(crate) method: Option<String>,
    pub(crate) changes: Vec<Setting>,
}

impl Asked {
    /// The experiment. Its own configuration means the same wherever it is read.
    pub(crate) fn config(&self) -> Result<ExperimentConfig> {
        let config = ExperimentConfig::load(&self.file, self.method.as_deref(), &self.changes)?;
        Ok(config.located_in(&working_folder()?))
    }

    /// What came of it; a setting that data or model find wrong is shown where it was said.
    pub(crate) fn placed<T>(&self, outcome: Result<T>) -> Result<T> {
        outcome.map_err(|error| match error.downcast::<Error>() {
            Ok(error) => {
                let method = self.method.as_deref();
                ExperimentConfig::placed(error, &self.file, method, &self.changes).into()
            }
            Err(other) => other,
        })
    }
}

/// Key and value of a `--set`.
pub(crate) fn key_and_value(setting: &str) -> Result<Setting> {
    let Some((key, value)) = setting.split_once('=') else {
        bail!("--set {setting}: expected KEY=VALUE");
    };
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// A file or folder as a setting, if one is given.
pub(crate) fn path_setting(key: &str, path: Option<&PathBuf>) -> Result<Option<Setting>> {
    let Some(path) = path else {
        return Ok(None);
    };
    let Some(text) = path.to_str() else {
        bail!("{}: the name is not UTF-8", path.display());
    };
    let value = toml::Value::from(text).to_string();
    Ok(Some((key.to_owned(), value)))
}

/// The working folder, where relative paths start.
pub(crate) fn working_folder() -> Result<PathBuf> {
    std::env::current_dir().context("the working folder")
}

impl InputArguments {
    /// The settings of a run, with its data and weights where they are now.
    pub(crate) fn config_of(&self, run: &RunFolder) -> Result<ExperimentConfig> {
        let data = path_setting("data.path", self.data.as_ref())?;
        let weights = path_setting("model.weights", self.weights.as_ref())?;
        let changes: Vec<Setting> = data.into_iter().chain(weights).collect();
        let config = run.config(&changes)?;
        Ok(config.located_in(&working_folder()?))
    }
}

/// Refuse to look for data and weights of a run where they are no more.
pub(crate) fn check_there(config: &ExperimentConfig) -> Result<()> {
    let settings = config.settings();
    there("data", "--data", settings.data())?;
    there(
        "data",
        "data.classification_path in its config.toml",
        settings.more_data(),
    )?;
    check_weights_there(settings)
}

/// Refuse to look for the weights of a run where they are no more.
pub(crate) fn check_weights_there(config: &dyn ExperimentSettings) -> Result<()> {
    there("weights", "--weights", config.weights())
}

fn there(what: &str, option: &str, path: Option<&Path>) -> Result<()> {
    match path {
        Some(path) if !path.exists() => bail!(
            "{}: the {what} of the run are not there; {option} says where they are now",
            path.display()
        ),
        _ => Ok(()),
    }
}
