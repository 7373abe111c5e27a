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

/// A model that describes each example by one vector.
///
/// What needs no more than that (task-identity inference, routing, the drift of features) works on every model that
/// has features, with or without classes: images, and text.
pub trait Features: ContinualModel {
    /// Features under the attached adapters; the input of the head where there is one.
    ///
    /// # Shapes
    /// `[batch, features]`.
    fn features(&self, batch: &Self::Batch) -> Tensor<2>;

    /// Features of the frozen backbone, as if no adapter were attached.
    ///
    /// # Shapes
    /// `[batch, features]`.
    fn frozen_features(&self, batch: &Self::Batch) -> Tensor<2>;

    /// Which examples of a task belong together when statistics of their features are kept, one group an example: its
    /// label for a classifier; 0 where all examples of a task are one group, as for text.
    fn groups(&self, batch: &Self::Batch) -> Vec<usize>;
}

/// A model whose last layer is a linear head over all classes of the stream.
pub trait Classifier: Features {
    /// Training loss from features that were already computed; [`ContinualModel::loss`] is this
    /// on [`features`](Features::features). Lets a method add terms on the features it pays for once.
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
