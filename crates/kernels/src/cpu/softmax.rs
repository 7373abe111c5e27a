//! Softmax over the last axis and its backward.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};

use super::buffer::{contiguous, elements, elements_mut, owned, tensor};
use super::normalization::width;
use super::rows::{RowStatistics, map_rows, update_rows};
use super::simd::{exp, max_of, sum_of, sums_of_pairs};

/// Softmax of each row.
pub(super) fn softmax(x: &FlexTensor) -> FlexTensor {
    let x = contiguous(x);
    let d = width(&x);
    let (output, _) = map_rows(
        elements(&x),
        d,
        #[inline(always)]
        |x, y| {
            let max = max_of(x);
            let scale = 1.0 / sum_of(x, |x| exp(x - max));
            for (y, &x) in y.iter_mut().zip(x) {
                y.write(exp(x - max) * scale);
            }
            [0.0; 2]
        },
    );
    tensor(output, x.layout().shape().clone())
}

/// [`softmax`] with its backward: keeps the output.
pub(super) fn softmax_autodiff<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
) -> FloatTensor<Autodiff<Flex, C>> {
    #[derive(Debug)]
    struct SoftmaxBackward;

    impl Backward<Flex, 1> for SoftmaxBackward {
        type State = FlexTensor;

        fn backward(self, ops: Ops<FlexTensor, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
            let gradient = grads.consume::<Flex>(&ops.node);
            let [Some(parent)] = ops.parents else { return };
            let mut gradient = owned(gradient);
            let d = width(&ops.state);
            let none = RowStatistics::default();
            update_rows(
                elements_mut(&mut gradient),
                elements(&ops.state),
                &none,
                d,
                #[inline(always)]
                |g, y, _| {
                    let (mean, _) = sums_of_pairs(g, y, |g, y| (g * y, 0.0));
                    for (g, &y) in g.iter_mut().zip(y) {
                        *g = (*g - mean) * y;
                    }
                },
            );
            grads.register::<Flex>(parent.id, gradient);
        }
    }

    let (x, node) = x.into_parts();
    let output = softmax(&x);
    match SoftmaxBackward
        .prepare::<C>([node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish(output.clone(), output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}
