//! An experiment of either modality as one TOML file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use treelora_core::{Error, read_text};

use crate::config::{
    config_file::ConfigFile, experiment_settings::ExperimentSettings,
    image_experiment_config::ImageExperimentConfig, method_seed,
    text_experiment_config::TextExperimentConfig, training::TrainingConfig,
};

/// An experiment on images or on text, as the file's `modality` says (images when it says nothing).
#[derive(Clone, Debug, PartialEq)]
pub enum ExperimentConfig {
    /// Pictures with labels.
    Images(Box<ImageExperimentConfig>),
    /// Prompts with answers.
    Text(Box<TextExperimentConfig>),
}

impl ExperimentConfig {
    /// Read a file, pick a variant, lay `changes` (dotted key, TOML value) over it, and check it. The file may be the
    /// `config.toml` of a run, of any format that is read.
    ///
    /// # Errors
    /// When the file cannot be read, a key is unknown, or a setting is out of range; the message names the file and the
    /// key, with its line or the setting of the command line that says it.
    pub fn load(
        path: &Path,
        variant: Option<&str>,
        changes: &[(String, String)],
    ) -> Result<Self, Error> {
        let text = read_text(path)?;
        let text = method_seed::left_out(text, path)?;
        Self::parse(&text, path, variant, changes)
    }

    /// As [`load`](Self::load), from text that came from `path`.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(
        text: &str,
        path: &Path,
        variant: Option<&str>,
        changes: &[(String, String)],
    ) -> Result<Self, Error> {
        let file = ConfigFile::merged(text, path, variant, changes)?;
        Ok(match file.modality() {
            Some("text") => TextExperimentConfig::of_file(&file)?.into(),
            // A modality of another name is an unknown variant of the key.
            _ => ImageExperimentConfig::of_file(&file)?.into(),
        })
    }

    /// An error about a setting with the line of the file, or the setting of the command line, that says it; any other
    /// error as it came. The arguments are those of [`load`](Self::load): some settings are found to be wrong only when
    /// data and model are there.
    pub fn placed(
        error: Error,
        path: &Path,
        variant: Option<&str>,
        changes: &[(String, String)],
    ) -> Error {
        let text = fs::read_to_string(path).unwrap_or_default();
        match ConfigFile::merged(&text, path, variant, changes) {
            Ok(file) => file.placed(error),
            Err(_) => error,
        }
    }

    /// The same, every file and folder of it named from the root on, so that it means the same wherever it is read:
    /// relative paths start from `folder`, and `..` is resolved where it leads to something.
    #[must_use]
    pub fn located_in(mut self, folder: &Path) -> Self {
        for path in self.settings_mut().paths_mut() {
            *path = located(path, folder);
        }
        self
    }

    /// What it has in common with every other.
    pub fn settings(&self) -> &dyn ExperimentSettings {
        match self {
            Self::Images(config) => config.as_ref(),
            Self::Text(config) => config.as_ref(),
        }
    }

    fn settings_mut(&mut self) -> &mut dyn ExperimentSettings {
        match self {
            Self::Images(config) => config.as_mut(),
            Self::Text(config) => config.as_mut(),
        }
    }

    /// Optimiser, schedule, batch sizes and seed.
    pub fn training_mut(&mut self) -> &mut TrainingConfig {
        self.settings_mut().training_mut()
    }

    /// Check everything that can be checked without data and weights.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key.
    pub fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Images(config) => config.validate(),
            Self::Text(config) => config.validate(),
        }
    }

    /// The configuration as TOML, every setting spelled out.
    ///
    /// # Errors
    /// When a value has no TOML form.
    pub fn to_toml(&self) -> Result<String, Error> {
        match self {
            Self::Images(config) => config.to_toml(),
            Self::Text(config) => config.to_toml(),
        }
    }

    /// Experiment, method or variant, and seed.
    pub fn run_name(&self) -> String {
        self.settings().run_name()
    }

    /// Experiment and method: runs of equal label differ in the seed alone.
    pub fn label(&self) -> String {
        self.settings().label()
    }

    /// The variant, or the method's own name.
    pub fn method_label(&self) -> String {
        self.settings().method_label()
    }

    /// Refuse to take the run with the configuration file `path` for one of these settings. Settings that have come into
    /// being since then have their defaults, and relative paths start from `folder`.
    ///
    /// # Errors
    /// Naming the first line that differs.
    pub fn check_same_as(&self, path: &Path, folder: &Path) -> Result<(), Error> {
        let then = Self::load(path, None, &[])?.located_in(folder).to_toml()?;
        let now = self.clone().located_in(folder).to_toml()?;
        let differs = |(then, now): &(&str, &str)| then != now;
        let problem = match then.lines().zip(now.lines()).find(differs) {
            Some((then, now)) => format!("`{then}` of the run, `{now}` asked for"),
            None if then == now => return Ok(()),
            None => "one has settings that the other lacks".to_owned(),
        };
        Err(Error::format(
            path,
            format!("{problem}; choose another --out"),
        ))
    }
}

fn located(path: &Path, folder: &Path) -> PathBuf {
    let whole = folder.join(path);
    match whole.components().any(|part| part.as_os_str() == "..") {
        true => fs::canonicalize(&whole).unwrap_or(whole),
        false => whole.components().collect(),
    }
}

impl From<ImageExperimentConfig> for ExperimentConfig {
    fn from(config: ImageExperimentConfig) -> Self {
        Self::Images(Box::new(config))
    }
}

impl From<TextExperimentConfig> for ExperimentConfig {
    fn from(config: TextExperimentConfig) -> Self {
        Self::Text(Box::new(config))
    }
}

/// An experiment on other examples comes back as it is.
impl TryFrom<ExperimentConfig> for ImageExperimentConfig {
    type Error = ExperimentConfig;

    fn try_from(config: ExperimentConfig) -> Result<Self, ExperimentConfig> {
        match config {
            ExperimentConfig::Images(config) => Ok(*config),
            other => Err(other),
        }
    }
}

/// An experiment on other examples comes back as it is.
impl TryFrom<ExperimentConfig> for TextExperimentConfig {
    type Error = ExperimentConfig;

    fn try_from(config: ExperimentConfig) -> Result<Self, ExperimentConfig> {
        match config {
            ExperimentConfig::Text(config) => Ok(*config),
            other => Err(other),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn paths_start_from_a_folder_and_lead_there_from_everywhere() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        fs::create_dir_all(root.join("here")).unwrap();
        fs::create_dir_all(root.join("photos")).unwrap();
        let here = root.join("here");
        for (path, whole) in [
            ("photos", here.join("photos")),
            ("./photos/", here.join("photos")),
            ("../photos", root.join("photos")),
            ("../nothing", here.join("../nothing")),
            ("/photos", PathBuf::from("/photos")),
        ] {
            assert_eq!(located(Path::new(path), &here), whole, "{path}");
        }
    }

    #[test]
    fn every_path_of_an_experiment_is_located() {
        let images = r#"
            name = "tiny"
            data = { name = "image-folder", path = "photos" }
            stream = { tasks = 2 }
            model = { preset = "tiny", weights = "w" }
            method = { name = "tree-lora" }
        "#;
        let text = r#"
            modality = "text"
            name = "tiny"
            data = { name = "trace-long", path = "photos", classification_path = "c" }
            model = { weights = "w" }
            method = { name = "tree-lora" }
        "#;
        for (file, paths) in [(images, 2), (text, 3)] {
            let config = ExperimentConfig::parse(file, Path::new("f.toml"), None, &[]).unwrap();
            let config = config.located_in(Path::new("/there")).to_toml().unwrap();
            assert_eq!(config.matches("= \"/there/").count(), paths, "{config}");
        }
    }
}
