//! The configuration that a run was made with.

use treelora_core::Error;

use crate::{config::experiment_config::ExperimentConfig, folder::checkpoint::RunFolder};

impl RunFolder {
    /// The run's own configuration, with `changes` (dotted key, TOML value) laid over it. Runs of earlier formats had
    /// keys that are no more; they are left out where nobody read them.
    ///
    /// # Errors
    /// When the file cannot be read, a key is unknown, or a setting is out of range; the message names the file and the
    /// key.
    pub fn config(&self, changes: &[(String, String)]) -> Result<ExperimentConfig, Error> {
        ExperimentConfig::load(&self.config_path(), None, changes)
    }
}
