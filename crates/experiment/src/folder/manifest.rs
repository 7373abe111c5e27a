//! Where a result comes from, as a file of the run.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::folder::provenance;

/// Version of the layout of a run folder.
pub const FORMAT: u32 = 1;

/// Where a result comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`] of the folder.
    pub format: u32,
    /// Version of this crate.
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
            tasks: Vec::new(),
        }
    }
}
