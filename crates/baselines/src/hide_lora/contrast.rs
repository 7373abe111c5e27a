//! The contrastive term of HiDe.

use burn::tensor::{Tensor, activation::log_softmax};

use crate::graph::on_graph;

/// With M the prototypes of the finished classes on top of the batch's features and
/// `S = M M^T / temperature`: the cross-entropy of each row of S with the identity, so that every
/// row is most similar to itself.
///
/// # Shapes
/// `[batch, features]`, prototypes `[classes, features]` -> `[1]`.
pub(super) fn contrastive_loss(
    features: Tensor<2>,
    prototypes: Option<Tensor<2>>,
    temperature: f64,
) -> Tensor<1> {
    let rows = match prototypes {
        Some(prototypes) => Tensor::cat(vec![on_graph(prototypes, &features), features], 0),
        None => features,
    };
    let count = rows.dims()[0];
    let device = rows.device();
    let similarity = rows.clone().matmul(rows.transpose()) / temperature;
    let identity = on_graph(Tensor::eye(count, &device.without_autodiff()), &similarity);
    -(log_softmax(similarity, 1) * identity).sum() / count as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn two_rows_by_hand() {
        let device = Device::flex();
        let features = Tensor::from_data([[1.0, 0.0]], &device);
        let prototypes = Tensor::from_data([[0.0, 2.0]], &device);
        let loss = contrastive_loss(features, Some(prototypes), 0.8).into_scalar::<f32>();
        // S = [[4, 0], [0, 1]] / 0.8.
        let row = |own: f32| (1.0 + (-own / 0.8).exp()).ln();
        assert!((loss - 0.5 * (row(4.0) + row(1.0))).abs() < 1e-6, "{loss}");
    }
}
