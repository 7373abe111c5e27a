//! The contrastive term of HiDe.

use burn::tensor::{Tensor, activation::log_softmax};

use crate::graph::on_graph;

/// Prototypes whose similarities among themselves are in memory at a time.
const CHUNK: usize = 256;

/// The prototypes of the finished classes, with what the term needs of their similarities to each other: they do
/// not change within a task, and there may be thousands.
pub(super) struct Prototypes {
    /// `[prototypes, features]`.
    rows: Tensor<2>,
    /// Log of the summed exponentials of a prototype's similarities to all of them, `[prototypes, 1]`.
    among: Tensor<2>,
    /// Sum over the prototypes of `among` less the similarity to itself, `[1]`.
    constant: Tensor<1>,
}

impl Prototypes {
    pub(super) fn new(rows: Tensor<2>, temperature: f64) -> Self {
        let count = rows.dims()[0];
        let among = (0..count).step_by(CHUNK).map(|first| {
            let chunk = rows.clone().narrow(0, first, CHUNK.min(count - first));
            log_sum_exp(chunk.matmul(rows.clone().transpose()) / temperature)
        });
        let among = Tensor::cat(among.collect(), 0);
        let own = (rows.clone() * rows.clone()).sum_dim(1) / temperature;
        Self {
            constant: (among.clone() - own).sum(),
            rows,
            among,
        }
    }
}

/// With M the prototypes on top of the batch's features and `S = M M^T / temperature`: the mean cross-entropy of
/// the rows of S with the identity, so that every row is most similar to itself.
///
/// Time and memory are O(batch (prototypes + batch)). The prototypes are those of the same temperature.
///
/// # Shapes
/// `[batch, features]` -> `[1]`.
pub(super) fn contrastive_loss(
    features: Tensor<2>,
    prototypes: Option<&Prototypes>,
    temperature: f64,
) -> Tensor<1> {
    let batch = features.dims()[0];
    let own = features.clone().matmul(features.clone().transpose()) / temperature;
    let device = own.device().without_autodiff();
    let identity = on_graph(Tensor::eye(batch, &device), &own);
    let Some(prototypes) = prototypes else {
        return -(log_softmax(own, 1) * identity).sum() / batch as f64;
    };
    let count = prototypes.rows.dims()[0];
    let rows = on_graph(prototypes.rows.clone(), &features);
    let to_prototypes = features.matmul(rows.transpose()) / temperature;

    let all = Tensor::cat(vec![own, to_prototypes.clone()], 1);
    let of_features = -(log_softmax(all, 1).narrow(1, 0, batch) * identity).sum();

    // ln(e^among + sum e^s) = among - log_softmax([among, s])[0].
    let among = on_graph(prototypes.among.clone(), &to_prototypes);
    let columns = Tensor::cat(vec![among, to_prototypes.transpose()], 1);
    let of_prototypes = -log_softmax(columns, 1).narrow(1, 0, 1).sum()
        + on_graph(prototypes.constant.clone(), &of_features);

    (of_features + of_prototypes) / (count + batch) as f64
}

/// `ln sum e^x` of each row, `[rows, columns] -> [rows, 1]`.
fn log_sum_exp(x: Tensor<2>) -> Tensor<2> {
    let largest = x.clone().max_dim(1);
    (x - largest.clone()).exp().sum_dim(1).log() + largest
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;

    #[test]
    fn two_rows_by_hand() {
        let device = Device::flex();
        let features = Tensor::from_data([[1.0, 0.0]], &device);
        let prototypes = Prototypes::new(Tensor::from_data([[0.0, 2.0]], &device), 0.8);
        let loss = contrastive_loss(features, Some(&prototypes), 0.8).into_scalar::<f32>();
        // S = [[4, 0], [0, 1]] / 0.8.
        let row = |own: f32| (1.0 + (-own / 0.8).exp()).ln();
        assert!((loss - 0.5 * (row(4.0) + row(1.0))).abs() < 1e-6, "{loss}");
    }

    #[test]
    fn value_and_gradient_are_those_of_the_whole_matrix() {
        let device = Device::flex();
        let normal = Distribution::Normal(0.0, 1.0);
        let rows = Tensor::<2>::random([2 * CHUNK + 3, 6], normal, &device);
        let batch = Tensor::<2>::random([4, 6], normal, &device);
        let graph = device.clone().autodiff();
        let whole = |features: Tensor<2>| {
            let all = Tensor::cat(vec![on_graph(rows.clone(), &features), features], 0);
            let similarity = all.clone().matmul(all.transpose()) / 0.8;
            let count = similarity.dims()[0];
            let identity = on_graph(Tensor::eye(count, &device), &similarity);
            -(log_softmax(similarity, 1) * identity).sum() / count as f64
        };
        let prototypes = Prototypes::new(rows.clone(), 0.8);
        let cheap = |features: Tensor<2>| contrastive_loss(features, Some(&prototypes), 0.8);
        let [expected, found] = [&whole as &dyn Fn(Tensor<2>) -> Tensor<1>, &cheap].map(|loss| {
            let features = treelora_core::in_context_of(batch.clone(), &graph).require_grad();
            let loss = loss(features.clone());
            let gradient = features.grad(&loss.backward()).unwrap();
            let values = Tensor::cat(vec![loss.inner(), gradient.reshape([24])], 0);
            values.into_data().try_into_vec::<f32>().unwrap()
        });
        for (expected, found) in expected.iter().zip(&found) {
            let difference = (expected - found).abs();
            assert!(
                difference < 1e-4 * (1.0 + expected.abs()),
                "{expected} {found}"
            );
        }
    }
}
