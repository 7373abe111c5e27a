//! Distances to the chosen relatives, and the term that they add to the loss (Eq. 3).

use burn::tensor::Tensor;
use treelora_core::StepInfo;
use treelora_lora::LayerVectors;

use crate::{Regulariser, Scale};

/// Distance of each layer's vector to the row of its chosen relative.
///
/// # Shapes
/// vectors `[layers, features]`, rows `[layers, features]` -> `[layers]`.
pub fn distances(scale: Scale, vectors: &LayerVectors, rows: Tensor<2>) -> Tensor<1> {
    match scale {
        Scale::Relative => vectors.relative_distances(rows),
        Scale::Raw => vectors.distances(rows),
    }
}

/// The objective: task loss plus the weighted regulariser, in the graph.
///
/// `L1` adds `lambda * sum_l distance_l` (Eq. 3). `Dot` adds the released code's term
/// `-lambda (step / steps) |loss| / |d| * d` with `d = sum_l <v_l, G_l>`; the factor in front of
/// `d` is detached.
///
/// # Shapes
/// loss `[1]`, vectors and rows `[layers, features]`, distances `[layers]` -> `[1]`.
pub fn regularised(
    regulariser: Regulariser,
    lambda: f64,
    loss: Tensor<1>,
    vectors: &LayerVectors,
    rows: Tensor<2>,
    distances: Tensor<1>,
    step: &StepInfo,
) -> Tensor<1> {
    match regulariser {
        Regulariser::None => loss,
        Regulariser::L1 => loss + distances.sum() * lambda,
        Regulariser::Dot => {
            let alignment = (vectors.tensor() * rows).sum();
            let ramp = lambda * step.step as f64 / step.steps.max(1) as f64;
            let size = loss.clone().detach().abs()
                / alignment
                    .clone()
                    .detach()
                    .abs()
                    .clamp_min(f32::MIN_POSITIVE);
            loss - alignment * size * ramp
        }
    }
}

/// Move gradients towards those of the chosen relatives: the L1 term where the layer vector is the
/// gradient itself.
///
/// Differentiating `||g - G||_1` through `g` would need second derivatives, so the term acts on
/// `g` directly, as its proximal step `G + soft(g - G, lambda * mean |g - G|)`: entries that the
/// relative explains take its direction, the others keep theirs. The threshold is a share of the
/// layer's mean deviation, which needs no scale.
///
/// # Shapes
/// `[layers, features]`.
pub fn pulled_gradients(lambda: f64, gradients: Tensor<2>, rows: Tensor<2>) -> Tensor<2> {
    let deviation = gradients - rows.clone();
    let threshold = deviation.clone().abs().mean_dim(1) * lambda;
    let shrunk = (deviation.clone().abs() - threshold).clamp_min(0.0);
    rows + deviation.sign() * shrunk
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn a_pull_of_zero_changes_nothing_and_a_large_one_lands_on_the_relative() {
        let device = Device::flex();
        let gradients = Tensor::<2>::from_data([[1.0, -2.0, 0.5]], &device);
        let rows = Tensor::<2>::from_data([[0.5, 1.0, 0.5]], &device);
        let same = pulled_gradients(0.0, gradients.clone(), rows.clone());
        assert_eq!(same.into_data(), gradients.clone().into_data());
        let landed = pulled_gradients(1e6, gradients, rows.clone());
        assert_eq!(landed.into_data(), rows.into_data());
    }
}
