//! Whether weights and data are still those that a run was made with.

use treelora_cl_bench::dataset::differ_in_composition;
use treelora_core::Error;

use crate::folder::{checkpoint::RunFolder, manifest::Manifest};

impl RunFolder {
    /// Refuse to go on with other weights or data than those of the run.
    ///
    /// # Errors
    /// Naming both hashes.
    pub fn check_provenance(&self, now: &Manifest) -> Result<(), Error> {
        self.check_weights(now.weights_sha256.clone())?;
        self.check_data(now.data_sha256.clone())?;
        match self.manifest()?.more_data_sha256 {
            // Of a run that an earlier version made it is not known.
            None => Ok(()),
            then => self.check_hash(
                "data in the second folder",
                then,
                now.more_data_sha256.clone(),
            ),
        }
    }

    /// Refuse other weights than those of the run, by their hash now.
    ///
    /// # Errors
    /// Naming both hashes.
    pub fn check_weights(&self, now: Option<String>) -> Result<(), Error> {
        self.check_hash("weights", self.manifest()?.weights_sha256, now)
    }

    /// Refuse other data than those of the run, by their hash now.
    ///
    /// # Errors
    /// Naming both hashes.
    pub fn check_data(&self, now: Option<String>) -> Result<(), Error> {
        self.check_hash("data", self.manifest()?.data_sha256, now)
    }

    fn check_hash(
        &self,
        what: &str,
        then: Option<String>,
        now: Option<String>,
    ) -> Result<(), Error> {
        if then == now {
            return Ok(());
        }
        let shown = |hash: Option<String>| hash.unwrap_or_else(|| "none".into());
        let problem = format!(
            "SHA-256 of the {what}: {} of the run, {} now",
            shown(then),
            shown(now)
        );
        Err(Error::format(self.path().join("manifest.json"), problem))
    }

    /// Refuse data whose tasks are not those of the run.
    ///
    /// # Errors
    /// Naming both lists.
    pub fn check_tasks(&self, now: &Manifest) -> Result<(), Error> {
        let then = self.manifest()?;
        if then.tasks == now.tasks {
            return Ok(());
        }
        let [run, data] = [&then.tasks, &now.tasks].map(|tasks| tasks.join(", "));
        let problem = match differ_in_composition(&run, &data) {
            false => format!("tasks of the run: {run}; of the data: {data}"),
            true => format!(
                "tasks of the run: {}; of the data, the same letters in another Unicode composition: {}",
                run.escape_default(),
                data.escape_default()
            ),
        };
        Err(Error::format(self.path().join("manifest.json"), problem))
    }
}
