//! Softmax cross-entropy: one number per row is kept beside the logits themselves.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use rayon::prelude::*;

use super::buffer::{contiguous, elements, elements_mut, owned, tensor};
use super::simd::{exp, max_of_pairs, sums_of_pairs, vectorised};

/// Targets and open classes, on the host.
#[derive(Clone, Debug)]
pub(crate) struct Labels {
    /// The class of each row; rows below zero do not count.
    pub(crate) targets: Vec<i64>,
    /// 0 for an open class, -infinity for a closed one.
    pub(crate) offsets: Vec<f32>,
}

impl Labels {
    /// Rows that count.
    fn counted(&self) -> f32 {
        self.targets
            .iter()
            .filter(|&&target| target >= 0)
            .count()
            .max(1) as f32
    }
}

/// The mean loss and the logarithm of each row's softmax denominator.
pub(super) fn cross_entropy(logits: &FlexTensor, labels: &Labels) -> (FlexTensor, Vec<f32>) {
    let logits = contiguous(logits);
    let logits = elements(&logits);
    let classes = labels.offsets.len();
    let row = |(logits, &target): (&[f32], &i64)| {
        let logarithm = vectorised(
            #[inline(always)]
            || {
                let max = max_of_pairs(logits, &labels.offsets, |x, offset| x + offset);
                let (sum, _) = sums_of_pairs(logits, &labels.offsets, |x, offset| {
                    (exp(x + offset - max), 0.0)
                });
                max + sum.ln()
            },
        );
        let loss = match usize::try_from(target) {
            Ok(target) => logarithm - logits[target] - labels.offsets[target],
            Err(_) => 0.0,
        };
        (loss, logarithm)
    };
    let rows: Vec<(f32, f32)> = logits
        .par_chunks(classes.max(1))
        .zip(&labels.targets)
        .with_min_len(1 + (1 << 14) / classes.max(1))
        .map(row)
        .collect();
    let sum: f64 = rows.iter().map(|row| f64::from(row.0)).sum();
    let mean = sum as f32 / labels.counted();
    (
        tensor(vec![mean], [1]),
        rows.into_iter().map(|row| row.1).collect(),
    )
}

/// [`cross_entropy`] with its backward: the gradient overwrites the logits when nothing else needs them.
pub(super) fn cross_entropy_autodiff<C: CheckpointStrategy>(
    logits: FloatTensor<Autodiff<Flex, C>>,
    labels: Labels,
) -> FloatTensor<Autodiff<Flex, C>> {
    #[derive(Debug)]
    struct CrossEntropyBackward;

    impl Backward<Flex, 1> for CrossEntropyBackward {
        type State = (FlexTensor, Labels, Vec<f32>);

        fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
            let gradient = grads.consume::<Flex>(&ops.node);
            let [Some(node)] = ops.parents else { return };
            let (logits, labels, logarithms) = ops.state;
            let scale = elements(&contiguous(&gradient))[0] / labels.counted();
            let mut logits = owned(logits);
            let classes = labels.offsets.len().max(1);
            elements_mut(&mut logits)
                .par_chunks_mut(classes)
                .zip(&labels.targets)
                .zip(&logarithms)
                .with_min_len(1 + (1 << 14) / classes)
                .for_each(|((row, &target), &logarithm)| {
                    let Ok(target) = usize::try_from(target) else {
                        return row.fill(0.0);
                    };
                    vectorised(
                        #[inline(always)]
                        || {
                            for (x, &offset) in row.iter_mut().zip(&labels.offsets) {
                                *x = exp(*x + offset - logarithm) * scale;
                            }
                        },
                    );
                    row[target] -= scale;
                });
            grads.register::<Flex>(node.id, logits);
        }
    }

    let (logits, node) = logits.into_parts();
    let (output, logarithms) = cross_entropy(&logits, &labels);
    match CrossEntropyBackward
        .prepare::<C>([node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish((logits, labels, logarithms), output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}
