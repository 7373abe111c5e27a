//! Dense projections with an optional bias and an optional low-rank update.
#![allow(unsafe_code)]

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::DType;

use super::buffer::{contiguous, elements, tensor};
use super::low_rank::{self, Rows, Update};
use super::product::{product, product_onto};
use super::rows::{RowStatistics, column_sums};
use super::weight::Matrix;
use crate::Dropout;

/// `x weight + bias`; a bias of length zero is none.
pub(super) fn linear(x: &FlexTensor, weight: &FlexTensor, bias: &FlexTensor) -> FlexTensor {
    let (x, bias) = (contiguous(x), contiguous(bias));
    let weight = Matrix::of(weight);
    let output = project(Matrix::rows_of(&x), weight, elements(&bias), None);
    tensor(output, output_shape(&x, weight.columns))
}

/// `x weight + bias + update b` with `update = scale (dropout(x) a)`; also `update`, which the backward needs.
pub(super) fn lora_linear(
    x: &FlexTensor,
    weight: &FlexTensor,
    bias: &FlexTensor,
    [a, b]: [&FlexTensor; 2],
    scale: f64,
    dropout: Option<Dropout>,
) -> (FlexTensor, Vec<f32>) {
    let (x, bias, a, b) = (
        contiguous(x),
        contiguous(bias),
        contiguous(a),
        contiguous(b),
    );
    let rows = Matrix::rows_of(&x);
    let weight = Matrix::of(weight);
    let [_, rank] = a.layout().shape().dims();
    let inputs = Rows::of(elements(&x), rows.columns).dropped_by(dropout);
    let u = low_rank::reduce(inputs, elements(&a), rank, scale as f32);
    let update = Update {
        u: &u,
        b: elements(&b),
        rank,
        dropout: None,
    };
    let output = project(rows, weight, elements(&bias), Some(update));
    (tensor(output, output_shape(&x, weight.columns)), u)
}

/// `x weight + bias + update`, in one pass over the output.
fn project(
    x: Matrix<'_>,
    weight: Matrix<'_>,
    bias: &[f32],
    update: Option<Update<'_>>,
) -> Vec<f32> {
    product_onto(x, weight, |rows, target| {
        // SAFETY: the product calls this for rows of its output, which is as wide as the weight.
        unsafe { low_rank::start(bias, update, rows, weight.columns, target) }
    })
}

/// The shape of `x` with another last axis.
fn output_shape(x: &FlexTensor, columns: usize) -> Vec<usize> {
    let mut shape = x.layout().shape().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = columns;
    }
    shape
}

/// What the backward of a projection keeps; `update` only with an adapter.
#[derive(Clone, Debug)]
struct Kept {
    x: FlexTensor,
    weight: FlexTensor,
}

/// [`linear`] with its backward: no weight gradient for a frozen weight, no gradient of an untracked `x`.
pub(super) fn linear_autodiff<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    weight: FloatTensor<Autodiff<Flex, C>>,
    bias: FloatTensor<Autodiff<Flex, C>>,
) -> FloatTensor<Autodiff<Flex, C>> {
    #[derive(Debug)]
    struct LinearBackward;

    impl Backward<Flex, 3> for LinearBackward {
        /// `x` only when the weight is tracked.
        type State = (Option<FlexTensor>, FlexTensor, Vec<usize>);

        fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
            let gradient = contiguous(&grads.consume::<Flex>(&ops.node));
            let [x_node, weight_node, bias_node] = ops.parents;
            let (x, weight, shape) = ops.state;
            if let (Some(node), Some(x)) = (weight_node, x) {
                grads.register::<Flex>(node.id, weight_gradient(&x, &gradient, weight.dtype()));
            }
            if let Some(node) = bias_node {
                grads.register::<Flex>(node.id, bias_gradient(&gradient));
            }
            if let Some(node) = x_node {
                let of_x = product(Matrix::rows_of(&gradient), Matrix::of(&weight).transposed());
                grads.register::<Flex>(node.id, tensor(of_x, shape));
            }
        }
    }

    let weight_is_tracked = weight.is_tracked();
    let (x, x_node) = x.into_parts();
    let (weight, weight_node) = weight.into_parts();
    let (bias, bias_node) = bias.into_parts();
    let output = linear(&x, &weight, &bias);
    let nodes = [x_node, weight_node, bias_node];
    match LinearBackward
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => {
            let shape = x.layout().shape().to_vec();
            prep.finish((weight_is_tracked.then_some(x), weight, shape), output)
        }
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

/// [`lora_linear`] with its backward. With `t = scale dy b^T`: `dx = dy weight^T + dropout(t a^T)`,
/// `da = dropout(x)^T t`, `db = update^T dy`.
pub(super) fn lora_linear_autodiff<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    weight: FloatTensor<Autodiff<Flex, C>>,
    bias: FloatTensor<Autodiff<Flex, C>>,
    [a, b]: [FloatTensor<Autodiff<Flex, C>>; 2],
    scale: f64,
    dropout: Option<Dropout>,
) -> FloatTensor<Autodiff<Flex, C>> {
    #[derive(Debug)]
    struct LoraLinearBackward;

    #[derive(Clone, Debug)]
    struct Adapter {
        a: FlexTensor,
        b: FlexTensor,
        scale: f64,
        update: Vec<f32>,
        dropout: Option<Dropout>,
    }

    impl Backward<Flex, 5> for LoraLinearBackward {
        type State = (Kept, Adapter);

        fn backward(self, ops: Ops<Self::State, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
            let gradient = contiguous(&grads.consume::<Flex>(&ops.node));
            let [x_node, weight_node, bias_node, a_node, b_node] = ops.parents;
            let (
                Kept { x, weight },
                Adapter {
                    a,
                    b,
                    scale,
                    update,
                    dropout,
                },
            ) = ops.state;
            let (x, a) = (contiguous(&x), contiguous(&a));
            let [d_in, rank] = a.layout().shape().dims();
            let rows = Matrix::rows_of(&gradient);
            let d_out = rows.columns;
            if let Some(node) = b_node {
                let of_b = low_rank::outer(Rows::of(&update, rank), elements(&gradient), d_out);
                grads.register::<Flex>(node.id, tensor(of_b, [rank, d_out]));
            }
            let back = || {
                let transposed = low_rank::transposed(elements(&contiguous(&b)), rank, d_out);
                low_rank::reduce(
                    Rows::of(elements(&gradient), d_out),
                    &transposed,
                    rank,
                    scale as f32,
                )
            };
            let back = if a_node.is_some() || x_node.is_some() {
                back()
            } else {
                Vec::new()
            };
            if let Some(node) = a_node {
                let inputs = Rows::of(elements(&x), d_in).dropped_by(dropout);
                let of_a = low_rank::outer(inputs, &back, rank);
                grads.register::<Flex>(node.id, tensor(of_a, [d_in, rank]));
            }
            if let Some(node) = x_node {
                let transposed = low_rank::transposed(elements(&a), d_in, rank);
                let update = Update {
                    u: &back,
                    b: &transposed,
                    rank,
                    dropout,
                };
                let of_x = project(rows, Matrix::of(&weight).transposed(), &[], Some(update));
                grads.register::<Flex>(node.id, tensor(of_x, x.layout().shape().clone()));
            }
            if let Some(node) = weight_node {
                grads.register::<Flex>(node.id, weight_gradient(&x, &gradient, weight.dtype()));
            }
            if let Some(node) = bias_node {
                grads.register::<Flex>(node.id, bias_gradient(&gradient));
            }
        }
    }

    let (x, x_node) = x.into_parts();
    let (weight, weight_node) = weight.into_parts();
    let (bias, bias_node) = bias.into_parts();
    let (a, a_node) = a.into_parts();
    let (b, b_node) = b.into_parts();
    let (output, update) = lora_linear(&x, &weight, &bias, [&a, &b], scale, dropout);
    let nodes = [x_node, weight_node, bias_node, a_node, b_node];
    match LoraLinearBackward
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish(
            (
                Kept { x, weight },
                Adapter {
                    a,
                    b,
                    scale,
                    update,
                    dropout,
                },
            ),
            output,
        ),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

/// `x^T gradient`, in the number format of the weight.
fn weight_gradient(x: &FlexTensor, gradient: &FlexTensor, format: DType) -> FlexTensor {
    let x = contiguous(x);
    let (x, gradient) = (Matrix::rows_of(&x), Matrix::rows_of(gradient));
    let product = tensor(
        product(x.transposed(), gradient),
        [x.columns, gradient.columns],
    );
    if format == DType::F32 {
        product
    } else {
        Flex::float_cast(product, format.into())
    }
}

/// The sum of the rows of the gradient; empty for no bias.
fn bias_gradient(gradient: &FlexTensor) -> FlexTensor {
    let columns = Matrix::rows_of(gradient).columns;
    let gradient = elements(gradient);
    let sums = column_sums(
        gradient,
        gradient,
        &RowStatistics::default(),
        columns,
        |g, _, _, _| g,
    );
    tensor(sums, [columns])
}
