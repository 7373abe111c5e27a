//! The running mean that becomes a task's signature.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use treelora_core::{Error, TensorFile, read_json, write_json};
use treelora_kdtree::TaskSignature;

const COUNTS: &str = "recorder.json";
const SUM: &str = "recorder.safetensors";

/// Mean of the layer vectors over the steps of an epoch; restarted each epoch, so that the
/// signature of a task is the mean over its last epoch (method, section 2).
#[derive(Clone, Debug, Default)]
pub struct SignatureRecorder {
    epoch: usize,
    sum: Option<Tensor<2>>,
    steps: usize,
}

impl SignatureRecorder {
    /// Add the layer vectors of one step, detached from the graph.
    ///
    /// # Shapes
    /// `[layers, features]`.
    pub fn record(&mut self, epoch: usize, vectors: Tensor<2>) {
        let vectors = vectors.detach().without_autodiff();
        if epoch != self.epoch {
            *self = Self {
                epoch,
                ..Self::default()
            };
        }
        self.sum = Some(match self.sum.take() {
            Some(sum) => sum + vectors,
            None => vectors,
        });
        self.steps += 1;
    }

    /// The signature, if a step was recorded; the recorder starts over.
    pub fn finish(&mut self) -> Option<TaskSignature> {
        let Self { sum, steps, .. } = std::mem::take(self);
        sum.map(|sum| TaskSignature::new(sum / steps as f64))
    }

    pub(crate) fn save(&self, dir: &Path) -> Result<(), Error> {
        let mut file = TensorFile::new();
        if let Some(sum) = &self.sum {
            file.insert("sum", sum.clone());
        }
        file.save(&dir.join(SUM))?;
        write_json(&dir.join(COUNTS), &(self.epoch, self.steps))
    }

    pub(crate) fn load(dir: &Path, device: &Device) -> Result<Self, Error> {
        let (epoch, steps) = read_json(&dir.join(COUNTS))?;
        let file = TensorFile::load(&dir.join(SUM))?;
        let sum = match steps {
            0 => None,
            _ => Some(file.tensor("sum", &device.clone().without_autodiff())?),
        };
        Ok(Self { epoch, sum, steps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn only_the_last_epoch_counts() {
        let device = Device::flex();
        let rows = |x: f32| Tensor::<2>::from_data([[x, 2.0 * x]], &device);
        let mut recorder = SignatureRecorder::default();
        recorder.record(0, rows(100.0));
        recorder.record(1, rows(1.0));
        recorder.record(1, rows(3.0));
        let signature = recorder.finish().expect("three steps were recorded");
        let values: Vec<f32> = signature.tensor().into_data().iter::<f32>().collect();
        assert_eq!(values, [2.0, 4.0]);
        assert!(recorder.finish().is_none());
    }
}
