//! The vision transformer as a model that can be trained continually.

use burn::{
    nn::Linear,
    tensor::{Bool, Device, Int, Tensor, TensorData},
};
use treelora_core::{Classifier, ContinualModel, Features, ReadOut, TokenModel};
use treelora_lora::Selection;

use super::{ImageBatch, VisionTransformer};

impl ContinualModel for VisionTransformer {
    type Batch = ImageBatch;

    fn logits(&self, batch: &ImageBatch) -> Tensor<2> {
        self.classify(self.features(batch))
    }

    fn loss(&self, batch: &ImageBatch) -> Tensor<1> {
        self.loss_of_features(self.features(batch), batch)
    }
}

impl Features for VisionTransformer {
    fn features(&self, batch: &ImageBatch) -> Tensor<2> {
        self.read_out(&self.run_all(batch), ReadOut::Model)
    }

    fn frozen_features(&self, batch: &ImageBatch) -> Tensor<2> {
        match &batch.frozen_features {
            Some(features) => features.clone(),
            None => treelora_lora::select(self.clone(), Selection::None)
                .features(batch)
                .detach(),
        }
    }

    fn groups(&self, batch: &ImageBatch) -> Vec<usize> {
        batch.labels.clone()
    }
}

impl Classifier for VisionTransformer {
    /// Mean cross-entropy over the classes of the batch's task.
    ///
    /// # Panics
    /// When a label or an allowed class is not below the number of classes.
    fn loss_of_features(&self, features: Tensor<2>, batch: &ImageBatch) -> Tensor<1> {
        let logits = self.classify(features);
        let ([_, classes], device) = (logits.dims(), logits.device());
        let allowed = batch
            .allowed
            .as_ref()
            .map(|allowed| mask(allowed, classes, &device));
        treelora_kernels::cross_entropy(logits, targets(&batch.labels, classes, &device), allowed)
    }

    fn labels<'b>(&self, batch: &'b ImageBatch) -> &'b [usize] {
        &batch.labels
    }

    fn head(&self) -> &Linear {
        &self.head
    }

    fn with_head(self, head: Linear) -> Self {
        VisionTransformer::with_head(self, head)
    }
}

fn targets(labels: &[usize], classes: usize, device: &Device) -> Tensor<1, Int> {
    if let Some(label) = labels.iter().find(|label| **label >= classes) {
        panic!("label {label} in a model of {classes} classes");
    }
    let labels: Vec<i64> = labels.iter().map(|label| *label as i64).collect();
    let length = labels.len();
    Tensor::from_data(TensorData::new(labels, [length]), device)
}

fn mask(allowed: &[usize], classes: usize, device: &Device) -> Tensor<1, Bool> {
    let mut mask = vec![false; classes];
    for class in allowed {
        assert!(
            *class < classes,
            "allowed class {class} in a model of {classes} classes"
        );
        mask[*class] = true;
    }
    Tensor::from_data(TensorData::new(mask, [classes]), device)
}
