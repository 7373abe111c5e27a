//! Where a result comes from, as a file of the run.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use treelora_core::Error;

use crate::folder::provenance;

/// Version of the layout of a run folder and of the files in it: 2 stores integers and doubles as such, where 1 stored
/// them as floats in what methods keep.
pub const FORMAT: u32 = 2;

/// The oldest that is read: all but what some methods kept is as it is now.
pub(crate) const OLDEST_FORMAT: u32 = 1;

/// Where a result comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`] of the folder.
    pub format: u32,
    /// Version of this crate when the run began.
    pub version: String,
    /// Commit of the sources, where known.
    pub commit: Option<String>,
    /// Processor, cores and system.
    pub machine: String,
    /// Device the run was trained on.
    pub device: String,
    /// Seed of the run.
    pub seed: u64,
    /// SHA-256 of the base weights; `None` when they were made in the run.
    pub weights_sha256: Option<String>,
    /// SHA-256 of the data; `None` when it is generated.
    pub data_sha256: Option<String>,
    /// SHA-256 of the data in a second folder; `None` when there is none, and of runs that earlier versions made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_data_sha256: Option<String>,
    /// Names of the tasks in order.
    pub tasks: Vec<String>,
}

impl Manifest {
    /// A run that starts here and now on `device`, of no weights, data or tasks yet.
    pub(crate) fn here(device: &Device, seed: u64) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: provenance::commit(),
            machine: provenance::machine(),
            device: format!("{device:?}"),
            seed,
            weights_sha256: None,
            data_sha256: None,
            more_data_sha256: None,
            tasks: Vec::new(),
        }
    }

    /// Why a checkpoint could not be read, with who wrote it where that may be the reason.
    pub(crate) fn explained(&self, error: Error) -> Error {
        if self.format == FORMAT {
            return error;
        }
        let commit = self.commit.as_ref();
        let commit = commit.map_or_else(String::new, |commit| format!(" (commit {commit})"));
        let note = format!(
            "the run is of format {}, written by version {}{commit}; this program reads what its \
             method kept in format {FORMAT} only: use that version, or run its config.toml again",
            self.format, self.version
        );
        match error {
            Error::Format { path, problem } => Error::format(path, format!("{problem}; {note}")),
            Error::Data(problem) => Error::Data(format!("{problem}; {note}")),
            other => other,
        }
    }
}
