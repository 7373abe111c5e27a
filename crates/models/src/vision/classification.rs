//! Frozen features, scores of classes and their loss.

use burn::{
    nn::Linear,
    tensor::{Bool, Device, Int, Tensor, TensorData},
};

use treelora_core::Features;
use treelora_lora::Selection;

use super::ImageBatch;

/// Features without any adapter: those that were computed before, where the batch has them.
///
/// # Shapes
/// `[batch, features]`.
pub(crate) fn frozen_features<M: Features<Batch = ImageBatch>>(
    model: &M,
    batch: &ImageBatch,
) -> Tensor<2> {
    match &batch.frozen_features {
        Some(features) => features.clone(),
        None => treelora_lora::select(model.clone(), Selection::None)
            .features(batch)
            .detach(),
    }
}

/// Scores of feature vectors by a linear head.
///
/// # Shapes
/// `[batch, features]` -> `[batch, classes]`.
pub(crate) fn classify(head: &Linear, features: Tensor<2>) -> Tensor<2> {
    let [rows, _] = features.dims();
    // A single row would be a matrix-vector product, which rounds unlike the matrix product of a larger batch.
    let padded = match rows {
        1 => features.repeat_dim(0, 2),
        _ => features,
    };
    treelora_lora::linear(head, padded).narrow(0, 0, rows)
}

/// Mean cross-entropy over the classes that the batch allows.
///
/// # Shapes
/// `[batch, classes]` -> `[1]`.
///
/// # Panics
/// When a label or an allowed class is not below the number of classes.
pub(crate) fn cross_entropy(logits: Tensor<2>, batch: &ImageBatch) -> Tensor<1> {
    let ([_, classes], device) = (logits.dims(), logits.device());
    let allowed = batch
        .allowed
        .as_ref()
        .map(|allowed| mask(allowed, classes, &device));
    treelora_kernels::cross_entropy(logits, targets(&batch.labels, classes, &device), allowed)
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
