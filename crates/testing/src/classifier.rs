//! A small classifier of points.

use burn::{
    module::{Module, Param},
    nn::{Linear, LinearConfig},
    tensor::{Bool, Device, Int, Tensor, TensorData, activation::log_softmax},
};
use treelora_core::{Classifier, ContinualModel, Features};
use treelora_lora::linear;

use crate::{
    points::{CLASSES, DIM, Points},
    random::{normal, rng},
};

/// `head(tanh(layer(x)))`; the layer takes adapters, and what it was at first stays as the frozen backbone.
#[derive(Module, Debug)]
pub struct TinyClassifier {
    /// The layer as it was at first, without gradients.
    pub base: Linear,
    /// `[DIM, DIM]` with bias.
    pub layer: Linear,
    /// `[DIM, CLASSES]` with bias.
    pub head: Linear,
}

impl TinyClassifier {
    /// Always the same weights.
    pub fn new(device: &Device) -> Self {
        let mut rng = rng(3);
        let mut made = |d_in: usize, d_out: usize| {
            let mut layer = LinearConfig::new(d_in, d_out).init(device);
            let values: Vec<f32> = (0..d_in * d_out).map(|_| normal(&mut rng) * 0.4).collect();
            let weight: Tensor<2> =
                Tensor::from_data(TensorData::new(values, [d_in, d_out]), device);
            layer.weight = Param::from_tensor(weight);
            layer.bias = Some(Param::from_tensor(Tensor::<1>::zeros([d_out], device)));
            layer
        };
        let layer = made(DIM, DIM);
        Self {
            base: layer.clone().no_grad(),
            layer,
            head: made(DIM, CLASSES),
        }
    }
}

impl ContinualModel for TinyClassifier {
    type Batch = Points;

    fn logits(&self, batch: &Points) -> Tensor<2> {
        self.head.forward(self.features(batch))
    }

    fn loss(&self, batch: &Points) -> Tensor<1> {
        self.loss_of_features(self.features(batch), batch)
    }
}

impl Features for TinyClassifier {
    fn features(&self, batch: &Points) -> Tensor<2> {
        linear(&self.layer, batch.inputs.clone()).tanh()
    }

    fn frozen_features(&self, batch: &Points) -> Tensor<2> {
        linear(&self.base, batch.inputs.clone()).tanh()
    }

    fn groups(&self, batch: &Points) -> Vec<usize> {
        batch.labels.clone()
    }
}

impl Classifier for TinyClassifier {
    fn loss_of_features(&self, features: Tensor<2>, batch: &Points) -> Tensor<1> {
        masked_cross_entropy(self.head.forward(features), batch)
    }

    fn labels<'b>(&self, batch: &'b Points) -> &'b [usize] {
        &batch.labels
    }

    fn head(&self) -> &Linear {
        &self.head
    }

    fn with_head(self, head: Linear) -> Self {
        Self { head, ..self }
    }
}

/// Mean cross-entropy among the classes that the batch allows.
///
/// # Shapes
/// `[points, classes]` -> `[1]`.
pub fn masked_cross_entropy(logits: Tensor<2>, batch: &Points) -> Tensor<1> {
    let device = logits.device();
    let [rows, classes] = logits.dims();
    let outside: Vec<bool> = (0..classes).map(|c| !batch.allowed.contains(&c)).collect();
    let outside = Tensor::<1, Bool>::from_bool(TensorData::new(outside, [classes]), &device)
        .unsqueeze::<2>()
        .expand([rows, classes]);
    let labels: Vec<i32> = batch.labels.iter().map(|&l| l as i32).collect();
    let labels = Tensor::<1, Int>::from_ints(labels.as_slice(), &device).unsqueeze_dim::<2>(1);
    -log_softmax(logits.mask_fill(outside, -1e9), 1)
        .gather(1, labels)
        .mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        compare::{assert_same, values},
        points::points,
    };

    #[test]
    fn a_class_outside_the_task_takes_no_part_in_the_loss() {
        let device = Device::default();
        let mut batch = points(&[1, 2], 1, 0, &device);
        // Scores 0, 1 and 3 of the classes 0, 1 and 2, at both points.
        let logits = Tensor::<2>::from_data([[0.0, 1.0, 3.0], [0.0, 1.0, 3.0]], &device);
        let softplus = |x: f32| (1.0 + x.exp()).ln();
        let loss = values(masked_cross_entropy(logits.clone(), &batch))[0];
        let expected = 0.5 * (softplus(2.0) + softplus(-2.0));
        assert!((loss - expected).abs() < 1e-5, "{loss} {expected}");
        batch.allowed.push(0);
        assert!(values(masked_cross_entropy(logits, &batch))[0] > loss + 0.01);
    }

    #[test]
    fn frozen_features_stay_when_the_layer_moves() {
        let device = Device::default();
        let batch = points(&[0, 3], 4, 0, &device);
        let model = TinyClassifier::new(&device);
        let before = model.frozen_features(&batch);
        assert_same(before.clone(), model.features(&batch));
        let mut moved = model;
        moved.layer.bias = moved.layer.bias.map(|bias| bias.map(|bias| bias + 1.0));
        assert_same(before.clone(), moved.frozen_features(&batch));
        assert_ne!(values(before), values(moved.features(&batch)));
    }
}
