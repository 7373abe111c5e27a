//! Normalisations over the last axis and their backward.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};

use super::buffer::{contiguous, elements, elements_mut, owned, tensor};
use super::rows::{RowStatistics, column_sums, map_rows, update_rows};
use super::simd::{sum_of, sums_of_pairs};

/// The width of the rows of `x`.
pub(super) fn width(x: &FlexTensor) -> usize {
    let shape = x.layout().shape();
    shape[shape.num_dims() - 1]
}

/// Layer normalisation; also the mean and the reciprocal deviation of each row, which its backward needs.
pub(super) fn layer_norm(
    x: &FlexTensor,
    gamma: &FlexTensor,
    beta: &FlexTensor,
    epsilon: f64,
) -> (FlexTensor, RowStatistics) {
    let (x, gamma, beta) = (contiguous(x), contiguous(gamma), contiguous(beta));
    let (gamma, beta) = (elements(&gamma), elements(&beta));
    let d = width(&x);
    let (output, statistics) = map_rows(
        elements(&x),
        d,
        #[inline(always)]
        |x, y| {
            let mean = sum_of(x, |x| x) / d as f32;
            let variance = sum_of(x, |x| (x - mean) * (x - mean)) / d as f32;
            let scale = 1.0 / (variance + epsilon as f32).sqrt();
            for (((y, &x), &gamma), &beta) in y.iter_mut().zip(x).zip(gamma).zip(beta) {
                y.write(((x - mean) * scale).mul_add(gamma, beta));
            }
            [mean, scale]
        },
    );
    (tensor(output, x.layout().shape().clone()), statistics)
}

/// Root mean square normalisation; also the reciprocal root of each row.
pub(super) fn rms_norm(
    x: &FlexTensor,
    gamma: &FlexTensor,
    epsilon: f64,
) -> (FlexTensor, RowStatistics) {
    let (x, gamma) = (contiguous(x), contiguous(gamma));
    let gamma = elements(&gamma);
    let d = width(&x);
    let (output, statistics) = map_rows(
        elements(&x),
        d,
        #[inline(always)]
        |x, y| {
            let scale = 1.0 / (sum_of(x, |x| x * x) / d as f32 + epsilon as f32).sqrt();
            for ((y, &x), &gamma) in y.iter_mut().zip(x).zip(gamma) {
                y.write(x * scale * gamma);
            }
            [0.0, scale]
        },
    );
    (tensor(output, x.layout().shape().clone()), statistics)
}

/// What the backward of a normalisation keeps.
#[derive(Clone, Debug)]
struct Kept {
    x: FlexTensor,
    gamma: FlexTensor,
    statistics: RowStatistics,
}

/// [`layer_norm`] with its backward.
pub(super) fn layer_norm_autodiff<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    gamma: FloatTensor<Autodiff<Flex, C>>,
    beta: FloatTensor<Autodiff<Flex, C>>,
    epsilon: f64,
) -> FloatTensor<Autodiff<Flex, C>> {
    #[derive(Debug)]
    struct LayerNormBackward;

    impl Backward<Flex, 3> for LayerNormBackward {
        type State = Kept;

        fn backward(self, ops: Ops<Kept, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
            let gradient = contiguous(&grads.consume::<Flex>(&ops.node));
            let [x_node, gamma_node, beta_node] = ops.parents;
            let Kept {
                x,
                gamma,
                statistics,
            } = ops.state;
            let (x, gamma) = (contiguous(&x), contiguous(&gamma));
            let d = width(&x);
            if let Some(node) = gamma_node {
                let sums = column_sums(
                    elements(&gradient),
                    elements(&x),
                    &statistics,
                    d,
                    |g, x, mean, scale| g * (x - mean) * scale,
                );
                grads.register::<Flex>(node.id, tensor(sums, [d]));
            }
            if let Some(node) = beta_node {
                let sums = column_sums(
                    elements(&gradient),
                    elements(&x),
                    &statistics,
                    d,
                    |g, _, _, _| g,
                );
                grads.register::<Flex>(node.id, tensor(sums, [d]));
            }
            if let Some(node) = x_node {
                let mut gradient = owned(gradient);
                let gamma = elements(&gamma);
                update_rows(
                    elements_mut(&mut gradient),
                    elements(&x),
                    &statistics,
                    d,
                    #[inline(always)]
                    |g, x, [mean, scale]| {
                        for (g, &gamma) in g.iter_mut().zip(gamma) {
                            *g *= gamma;
                        }
                        let (sum, along) = sums_of_pairs(g, x, |g, x| (g, g * (x - mean)));
                        let centre = sum / d as f32;
                        let slope = along * scale * scale / d as f32;
                        for (g, &x) in g.iter_mut().zip(x) {
                            *g = (*g - centre - (x - mean) * slope) * scale;
                        }
                    },
                );
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }

    let (x, x_node) = x.into_parts();
    let (gamma, gamma_node) = gamma.into_parts();
    let (beta, beta_node) = beta.into_parts();
    let (output, statistics) = layer_norm(&x, &gamma, &beta, epsilon);
    let nodes = [x_node, gamma_node, beta_node];
    match LayerNormBackward
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish(
            Kept {
                x,
                gamma,
                statistics,
            },
            output,
        ),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

/// [`rms_norm`] with its backward.
pub(super) fn rms_norm_autodiff<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    gamma: FloatTensor<Autodiff<Flex, C>>,
    epsilon: f64,
) -> FloatTensor<Autodiff<Flex, C>> {
    #[derive(Debug)]
    struct RmsNormBackward;

    impl Backward<Flex, 2> for RmsNormBackward {
        type State = Kept;

        fn backward(self, ops: Ops<Kept, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
            let gradient = contiguous(&grads.consume::<Flex>(&ops.node));
            let [x_node, gamma_node] = ops.parents;
            let Kept {
                x,
                gamma,
                statistics,
            } = ops.state;
            let (x, gamma) = (contiguous(&x), contiguous(&gamma));
            let d = width(&x);
            if let Some(node) = gamma_node {
                let sums = column_sums(
                    elements(&gradient),
                    elements(&x),
                    &statistics,
                    d,
                    |g, x, _, scale| g * x * scale,
                );
                grads.register::<Flex>(node.id, tensor(sums, [d]));
            }
            if let Some(node) = x_node {
                let mut gradient = owned(gradient);
                let gamma = elements(&gamma);
                update_rows(
                    elements_mut(&mut gradient),
                    elements(&x),
                    &statistics,
                    d,
                    #[inline(always)]
                    |g, x, [_, scale]| {
                        for (g, &gamma) in g.iter_mut().zip(gamma) {
                            *g *= gamma;
                        }
                        let (along, _) = sums_of_pairs(g, x, |g, x| (g * x, 0.0));
                        let slope = along * scale * scale / d as f32;
                        for (g, &x) in g.iter_mut().zip(x) {
                            *g = (*g - x * slope) * scale;
                        }
                    },
                );
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }

    let (x, x_node) = x.into_parts();
    let (gamma, gamma_node) = gamma.into_parts();
    let (output, statistics) = rms_norm(&x, &gamma, epsilon);
    match RmsNormBackward
        .prepare::<C>([x_node, gamma_node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish(
            Kept {
                x,
                gamma,
                statistics,
            },
            output,
        ),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}
