//! From scores to an answer.

use burn::tensor::Tensor;

/// The class of the largest score among `allowed`, the lowest index on ties.
///
/// # Shapes
/// `[batch, classes]`.
pub fn best_classes(scores: Tensor<2>, allowed: &[usize]) -> Vec<usize> {
    let classes = scores.dims()[1];
    let scores: Vec<f32> = scores.into_data().iter::<f32>().collect();
    scores
        .chunks_exact(classes.max(1))
        .map(|row| {
            let mut best = (f32::NEG_INFINITY, usize::MAX);
            for &class in allowed {
                if best.1 == usize::MAX || row[class] > best.0 {
                    best = (row[class], class);
                }
            }
            best.1
        })
        .collect()
}
