//! The running mean that becomes a task's signature.

use burn::tensor::Tensor;
use treelora_kdtree::TaskSignature;

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
