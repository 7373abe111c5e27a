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
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::{
        optim::GradientsParams,
        tensor::{Device, TensorData},
    };
    use treelora_core::TaskId;
    use treelora_lora::{AdapterSnapshot, Granularity, LoraConfig, attach};
    use treelora_testing::{compare::values, random::rng, regression::TwoLayers};

    use super::*;

    /// Two layers, A of `[4, 2]` each.
    type Rows = [[f64; 8]; 2];

    /// The layer vectors; with [`RELATIVES`] some entries agree in sign, so that no relative distance is 1.
    const VECTORS: Rows = [
        [0.5, -1.0, 2.0, 0.25, -0.75, 1.5, -0.5, 1.0],
        [-1.5, 0.5, 0.75, -2.0, 1.25, 0.5, -0.25, 0.125],
    ];
    const RELATIVES: Rows = [
        [1.0, -0.5, 1.5, -0.25, -1.0, 2.5, 0.5, 0.25],
        [-0.5, 1.0, 0.25, -1.0, 1.5, -0.5, -0.5, 0.25],
    ];

    /// Gradient of the task loss `sum c_i v_i`.
    const SLOPES: Rows = [
        [0.5, 0.25, -0.5, 1.0, 0.75, -0.25, 0.125, -1.0],
        [0.25, -0.5, 0.5, -0.125, 1.0, 0.5, -0.75, 0.25],
    ];

    fn tensor(rows: Rows, device: &Device) -> Tensor<2> {
        let values: Vec<f32> = rows.concat().iter().map(|&x| x as f32).collect();
        Tensor::from_data(TensorData::new(values, [2, 8]), device)
    }

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    /// `(sum |v - g|, sum |v| + sum |g|)` of a layer.
    fn apart_and_size(layer: usize) -> (f64, f64) {
        let pairs = || VECTORS[layer].iter().zip(&RELATIVES[layer]);
        (
            pairs().map(|(v, g)| (v - g).abs()).sum(),
            pairs().map(|(v, g)| v.abs() + g.abs()).sum(),
        )
    }

    /// A term at one step, with the task loss `facing * sum c_i v_i`.
    #[derive(Clone, Copy)]
    struct Term {
        regulariser: Regulariser,
        scale: Scale,
        lambda: f64,
        facing: f64,
        /// Steps done, of 8.
        step: usize,
    }

    impl Term {
        fn of(regulariser: Regulariser, scale: Scale) -> Self {
            Self {
                regulariser,
                scale,
                lambda: 0.3,
                facing: 1.0,
                step: 6,
            }
        }

        /// The task loss, by hand.
        fn plain(&self) -> f64 {
            self.facing * dot(&SLOPES.concat(), &VECTORS.concat())
        }

        /// Value and gradient at every A, through a model that carries the vectors.
        fn regularised(&self) -> (f64, Vec<f64>) {
            let device = Device::default().autodiff();
            let config = LoraConfig {
                target_modules: vec!["weight".into()],
                ..LoraConfig::new(2, 4.0)
            };
            let model = attach(TwoLayers::new(&device), &config, &mut rng(0)).unwrap();
            let mut layers = AdapterSnapshot::of(&model).layers().to_vec();
            for (layer, values) in layers.iter_mut().zip(VECTORS) {
                let values: Vec<f32> = values.iter().map(|&x| x as f32).collect();
                layer.a = Tensor::from_data(TensorData::new(values, [4, 2]), &layer.a.device());
            }
            let model = AdapterSnapshot::from_layers(layers).apply(model).unwrap();

            let granularity = Granularity::Matrix;
            let vectors = LayerVectors::factor_a(&model, granularity).unwrap();
            let rows = tensor(RELATIVES, &device);
            let loss = (vectors.tensor() * tensor(SLOPES, &device)).sum() * self.facing;
            let distances = distances(self.scale, &vectors, rows.clone());
            let step = StepInfo {
                task: TaskId(1),
                epoch: 0,
                epochs: 1,
                step: self.step,
                steps: 8,
            };
            let (regulariser, lambda) = (self.regulariser, self.lambda);
            let objective =
                regularised(regulariser, lambda, loss, &vectors, rows, distances, &step);
            let value = f64::from(values(objective.clone())[0]);
            let gradients = GradientsParams::from_grads(objective.backward(), &model);
            let gradients = LayerVectors::gradient_a(&model, &gradients, granularity).unwrap();
            let gradients = values(gradients.tensor()).into_iter().map(f64::from);
            (value, gradients.collect())
        }

        /// The term alone, by hand, against what `regularised` adds: its value and its gradient at each entry.
        fn adds(&self, value: f64, gradient: impl Fn(usize, f64, f64) -> f64) {
            let (found, gradients) = self.regularised();
            let expected = self.plain() + value;
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
            for layer in 0..2 {
                for place in 0..8 {
                    let (v, g) = (VECTORS[layer][place], RELATIVES[layer][place]);
                    let expected = self.facing * SLOPES[layer][place] + gradient(layer, v, g);
                    let found = gradients[8 * layer + place];
                    assert!(
                        (found - expected).abs() < 1e-5,
                        "layer {layer}, place {place}: {found} {expected}"
                    );
                }
            }
        }
    }

    /// `lambda sum_l N_l / S_l`, differentiated at `v`: `lambda (sign(v - g) / S - sign(v) N / S^2)`.
    #[test]
    fn relative_l1_is_its_formula() {
        let term = Term::of(Regulariser::L1, Scale::Relative);
        let layers = [0, 1].map(apart_and_size);
        let value: f64 = layers.iter().map(|(apart, size)| apart / size).sum();
        // By hand: 5 of 15 in layer 0, 4.625 of 12.375 in layer 1.
        assert!(
            (value - 5.0 / 15.0 - 4.625 / 12.375).abs() < 1e-12,
            "{layers:?}"
        );
        term.adds(0.3 * value, |layer, v, g| {
            let (apart, size) = layers[layer];
            0.3 * ((v - g).signum() / size - v.signum() * apart / (size * size))
        });
    }

    /// `lambda sum_l N_l`, differentiated: `lambda sign(v - g)`.
    #[test]
    fn raw_l1_is_its_formula() {
        let term = Term::of(Regulariser::L1, Scale::Raw);
        term.adds(0.3 * (5.0 + 4.625), |_, v, g| 0.3 * (v - g).signum());
    }

    /// `-lambda (step / steps) |loss| sign(d)`, and at `v` the factor before `d` times `g`: the size of the loss is no
    /// part of the gradient. The sign of the loss plays no role.
    #[test]
    fn the_dot_product_has_the_size_of_the_loss_and_is_ramped() {
        let alignment = dot(&VECTORS.concat(), &RELATIVES.concat());
        assert!(alignment > 1.0, "{alignment}");
        for facing in [1.0, -1.0] {
            for step in [2, 6] {
                let term = Term {
                    facing,
                    step,
                    ..Term::of(Regulariser::Dot, Scale::Relative)
                };
                assert!(term.plain().abs() > 0.1, "{}", term.plain());
                let size = 0.3 * step as f64 / 8.0 * term.plain().abs();
                term.adds(-size, |_, _, g| -size / alignment * g);
            }
        }
        let first = Term {
            step: 0,
            ..Term::of(Regulariser::Dot, Scale::Relative)
        };
        first.adds(0.0, |_, _, _| 0.0);
    }

    #[test]
    fn without_a_regulariser_or_at_lambda_zero_the_loss_is_plain() {
        Term::of(Regulariser::None, Scale::Relative).adds(0.0, |_, _, _| 0.0);
        for regulariser in [Regulariser::L1, Regulariser::Dot] {
            for scale in [Scale::Relative, Scale::Raw] {
                let term = Term {
                    lambda: 0.0,
                    ..Term::of(regulariser, scale)
                };
                term.adds(0.0, |_, _, _| 0.0);
            }
        }
    }

    /// Two layers with thresholds of their own: half of the mean deviations 7/6 and 1/6.
    #[test]
    fn a_pull_is_the_proximal_step_by_hand() {
        let device = Device::default();
        let gradients = [[1.0, -2.0, 0.5], [0.25, 1.0, 1.25]];
        let rows = [[0.5, 1.0, 0.5], [0.0, 1.0, 1.5]];
        let [gradients, rows] = [gradients, rows].map(|x| Tensor::<2>::from_data(x, &device));
        let pulled = values(pulled_gradients(0.5, gradients, rows));
        let expected = [
            0.5,
            1.0 - 3.0 + 7.0 / 12.0,
            0.5,
            0.25 - 1.0 / 12.0,
            1.0,
            1.25 + 1.0 / 12.0,
        ];
        for (pulled, expected) in pulled.iter().zip(expected) {
            assert!(
                (f64::from(*pulled) - expected).abs() < 1e-6,
                "{pulled} {expected}"
            );
        }
    }

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
