//! What every side of a comparison runs under.

use std::process::Command;

use anyhow::Result;

use super::{
    contender::{Contender, Residence},
    options::Options,
    processor::cores,
    report::Circumstances,
    turns,
};

/// What the binary `treelora` tells glibc's allocator by itself, and PyTorch's tuning guides reach with another one.
const MEMORY: [(&str, &str); 3] = [
    ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"),
    ("MALLOC_MMAP_THRESHOLD_", "1073741824"),
    ("MALLOC_TRIM_THRESHOLD_", "2147483647"),
];

/// Threads and rounds.
pub(crate) struct Conditions {
    threads: usize,
    pub(crate) rounds: usize,
}

impl Conditions {
    pub(crate) fn of(options: &Options) -> Self {
        Self {
            threads: options.threads.unwrap_or_else(cores),
            rounds: options.rounds,
        }
    }

    /// For the report.
    pub(crate) fn circumstances(&self) -> Circumstances {
        vec![
            ("threads of either side", self.threads.to_string()),
            ("rounds", turns::rounds(self.rounds)),
        ]
    }

    /// A side, ready.
    ///
    /// # Errors
    /// When it cannot be started or fails.
    pub(crate) fn contender(&self, mut command: Command, case: &str) -> Result<Contender> {
        for variable in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"] {
            command.env(variable, self.threads.to_string());
        }
        command.envs(MEMORY);
        Contender::start(command, case, Residence::Host)
    }
}
