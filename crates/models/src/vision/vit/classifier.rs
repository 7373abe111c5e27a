//! The vision transformer as a model that can be trained continually.

use burn::{nn::Linear, tensor::Tensor};
use treelora_core::{Classifier, ContinualModel, Features, ReadOut, TokenModel};

use super::VisionTransformer;
use crate::vision::{
    ImageBatch,
    classification::{cross_entropy, frozen_features},
};

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
        frozen_features(self, batch)
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
        cross_entropy(self.classify(features), batch)
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
