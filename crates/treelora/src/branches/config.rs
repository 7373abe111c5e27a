//! Settings of the branches.

use serde::{Deserialize, Serialize};
use treelora_core::Error;
use treelora_lora::LoraConfig;

use super::{BranchChoice, BranchStart};
use crate::{Mode, TreeLoraConfig};

/// Settings of [`BranchLora`](super::BranchLora).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BranchLoraConfig {
    /// Where adapters go, their rank and scale; one a branch.
    pub lora: LoraConfig,
    /// How the branch of a new task is chosen.
    pub choice: BranchChoice,
    /// Tasks nearest to the new one whose branches it is compared with.
    pub neighbours: usize,
    /// A branch is opened where the squared distance to the nearest one is more than so many times what tasks of one
    /// domain are expected to be apart ([`GroupMoments::shift_from`](treelora_class_incremental::GroupMoments::shift_from)).
    pub tolerance: f64,
    /// Where the adapter of a new branch starts.
    pub start: BranchStart,
    /// Examples on which [`BranchStart::Probe`] tries adapters.
    pub probe_examples: usize,
    /// Factor on the adapters' learning rate where a branch is trained on: slow learning keeps one feature space for all
    /// classes of the branch (1 = no slowing). A new branch learns at the full rate.
    pub slow_learning: f64,
}

impl Default for BranchLoraConfig {
    fn default() -> Self {
        Self {
            lora: TreeLoraConfig::preset(Mode::default()).lora,
            choice: BranchChoice::default(),
            neighbours: 4,
            tolerance: 2.0,
            start: BranchStart::default(),
            probe_examples: 64,
            slow_learning: 0.1,
        }
    }
}

impl BranchLoraConfig {
    /// Check the settings on their own; what depends on the model is checked when adapters are attached.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key of this table.
    pub fn validate(&self) -> Result<(), Error> {
        let refused = |key: &str, problem: String| Err(Error::setting(key, problem));
        self.lora
            .validate()
            .map_err(|e| Error::setting("lora", e.to_string()))?;
        if self.neighbours == 0 {
            return refused("neighbours", "0 leaves no branch to compare with".into());
        }
        if self.probe_examples == 0 {
            return refused("probe_examples", "0 examples tell nothing".into());
        }
        if !(self.tolerance > 0.0 && self.tolerance.is_finite()) {
            return refused("tolerance", format!("{} is not above 0", self.tolerance));
        }
        if !(0.0..=1.0).contains(&self.slow_learning) {
            return refused(
                "slow_learning",
                format!("{} is not in [0, 1]", self.slow_learning),
            );
        }
        Ok(())
    }
}
