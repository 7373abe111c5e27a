//! What a model must offer to be trained continually.

use burn::{module::Module, nn::Linear, tensor::Tensor};

use crate::Batch;

/// A model that can be trained on one task after another.
pub trait ContinualModel: Module + 'static {
    /// The examples it consumes.
    type Batch: Batch;

    /// Scores of each example.
    ///
    /// # Shapes
    /// `[batch, classes]` for classifiers, `[batch * positions, vocabulary]` for decoders.
    fn logits(&self, batch: &Self::Batch) -> Tensor<2>;

    /// Mean training loss of the batch; classification masks the classes outside the batch's task.
    ///
    /// # Shapes
    /// `[1]`.
    fn loss(&self, batch: &Self::Batch) -> Tensor<1>;
}

/// A model whose last layer is a linear head over all classes of the stream.
pub trait Classifier: ContinualModel {
    /// Features under the attached adapters, the input of the head.
    ///
    /// # Shapes
    /// `[batch, features]`.
    fn features(&self, batch: &Self::Batch) -> Tensor<2>;

    /// Features of the frozen backbone, as if no adapter were attached.
    ///
    /// # Shapes
    /// `[batch, features]`.
    fn frozen_features(&self, batch: &Self::Batch) -> Tensor<2>;

    /// Training loss from features that were already computed; [`ContinualModel::loss`] is this
    /// on [`features`](Self::features). Lets a method add terms on the features it pays for once.
    ///
    /// # Shapes
    /// features `[batch, features]` -> `[1]`.
    fn loss_of_features(&self, features: Tensor<2>, batch: &Self::Batch) -> Tensor<1>;

    /// Labels of the examples, in the label space of the stream.
    fn labels<'b>(&self, batch: &'b Self::Batch) -> &'b [usize];

    /// The classification head, `[features, classes]` with bias.
    fn head(&self) -> &Linear;

    /// The same model with another head.
    fn with_head(self, head: Linear) -> Self;
}
