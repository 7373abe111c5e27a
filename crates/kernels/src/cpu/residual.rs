//! The sum of a projection, its bias and the residual stream.
#![allow(unsafe_code)]

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};

use super::buffer::{Unwritten, contiguous, elements, tensor};
use super::rows::{RowStatistics, column_sums};
use super::simd::{CHUNK, for_each_chunk, vectorised};

/// `x + bias + residual`.
pub(super) fn add_bias_residual(
    x: &FlexTensor,
    bias: &FlexTensor,
    residual: &FlexTensor,
) -> FlexTensor {
    let shape = x.layout().shape().clone();
    let (x, bias, residual) = (contiguous(x), contiguous(bias), contiguous(residual));
    let (x, bias, residual) = (elements(&x), elements(&bias), elements(&residual));
    let width = bias.len().max(1);
    let chunk = (CHUNK / width).max(1) * width;
    let mut output = Unwritten::new(x.len());
    for_each_chunk(output.slots(), chunk, |i, slots| {
        let range = i * chunk..i * chunk + slots.len();
        let (x, residual) = (&x[range.clone()], &residual[range]);
        vectorised(
            #[inline(always)]
            || {
                let rows = x.chunks_exact(width).zip(residual.chunks_exact(width));
                for (slots, (x, residual)) in slots.chunks_exact_mut(width).zip(rows) {
                    for (((slot, &x), &bias), &residual) in
                        slots.iter_mut().zip(x).zip(bias).zip(residual)
                    {
                        slot.write(x + bias + residual);
                    }
                }
            },
        );
    });
    // SAFETY: the chunks cover the buffer in whole rows and each writes all its slots.
    tensor(unsafe { output.assume_written() }, shape)
}

/// [`add_bias_residual`] with its backward, which keeps nothing and copies nothing.
pub(super) fn add_bias_residual_autodiff<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    bias: FloatTensor<Autodiff<Flex, C>>,
    residual: FloatTensor<Autodiff<Flex, C>>,
) -> FloatTensor<Autodiff<Flex, C>> {
    #[derive(Debug)]
    struct AddBiasResidualBackward;

    impl Backward<Flex, 3> for AddBiasResidualBackward {
        type State = usize;

        fn backward(self, ops: Ops<usize, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
            let gradient = grads.consume::<Flex>(&ops.node);
            let [x_node, bias_node, residual_node] = ops.parents;
            let width = ops.state;
            if let Some(node) = bias_node {
                let rows = contiguous(&gradient);
                let rows = elements(&rows);
                let sums =
                    column_sums(rows, rows, &RowStatistics::default(), width, |g, _, _, _| g);
                grads.register::<Flex>(node.id, tensor(sums, [width]));
            }
            if let Some(node) = x_node {
                grads.register::<Flex>(node.id, gradient.clone());
            }
            if let Some(node) = residual_node {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }

    let (x, x_node) = x.into_parts();
    let (bias, bias_node) = bias.into_parts();
    let (residual, residual_node) = residual.into_parts();
    let output = add_bias_residual(&x, &bias, &residual);
    let nodes = [x_node, bias_node, residual_node];
    match AddBiasResidualBackward
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish(bias.layout().num_elements(), output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}
