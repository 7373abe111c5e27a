//! Where a pre-trained model comes from and how well it learned.

use std::collections::BTreeMap;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use toml::Table;
use treelora_core::Error;

use crate::folder::provenance;

/// The `pretraining.json` beside a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PretrainingReport {
    /// Version of this crate.
    pub version: String,
    /// Commit of the sources, where known.
    pub commit: Option<String>,
    /// Processor, cores and system.
    pub machine: String,
    /// Device the model was trained on.
    pub device: String,
    /// The configuration, every setting spelled out.
    pub config: Table,
    /// SHA-256 of the data; `None` when it is generated.
    pub data_sha256: Option<String>,
    /// Sizes of the data, by what they count.
    pub data: BTreeMap<String, usize>,
    /// Parameters of the model.
    pub parameters: usize,
    /// Training steps.
    pub steps: usize,
    /// Mean loss of the last tenth of the steps, in nats an image or a token.
    pub training_loss: f64,
    /// Mean loss on what was held out, in nats; `None` when nothing was.
    pub validation_loss: Option<f64>,
}

impl PretrainingReport {
    /// A model that is trained here and now with `config`; the numbers are still to come.
    ///
    /// # Errors
    /// When a setting has no TOML form.
    pub(super) fn here(config: &impl Serialize, device: &Device) -> Result<Self, Error> {
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: provenance::commit(),
            machine: provenance::machine(),
            device: format!("{device:?}"),
            config: Table::try_from(config).map_err(|e| Error::Data(e.to_string()))?,
            data_sha256: None,
            data: BTreeMap::new(),
            parameters: 0,
            steps: 0,
            training_loss: 0.0,
            validation_loss: None,
        })
    }

    /// Take up the losses of all steps.
    pub(super) fn note_losses(&mut self, losses: &[f64]) {
        let last = losses.len().div_ceil(10);
        let tail = &losses[losses.len() - last..];
        self.steps = losses.len();
        self.training_loss = tail.iter().sum::<f64>() / last.max(1) as f64;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_training_loss_is_that_of_the_end() {
        let mut report = PretrainingReport::here(&Table::new(), &Device::flex()).unwrap();
        let mut losses = vec![9.0; 18];
        losses.extend([1.0, 2.0]);
        report.note_losses(&losses);
        assert_eq!((report.steps, report.training_loss), (20, 1.5));
        report.note_losses(&[4.0]);
        assert_eq!((report.steps, report.training_loss), (1, 4.0));
    }
}
