//! Attention forward and backward, one task per batch entry and key head.
//!
//! A task works on blocks of queries. The scores of a block against all keys it sees live in scratch memory of the
//! thread; they are never kept. The backward computes them again from the queries, the keys and one number per
//! query: the logarithm of its softmax denominator.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod half;
mod heads;
mod score_row;
mod single;
mod task;
mod visibility;

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use rayon::prelude::*;

use self::heads::{Heads, HeadsMut};
use self::task::{BackwardTask, ForwardTask};
use self::visibility::Problem;
#[cfg(target_arch = "x86_64")]
use super::amx;
use super::buffer::{Unwritten, tensor};
use crate::Rounding;

/// What decides the weights, beside the tensors.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// True where a key is padding, `[batch, keys]` row by row.
    pub(crate) padding: Option<Vec<bool>>,
    /// How many positions back a query sees, its own included; `None` when it sees every key.
    pub(crate) reach: Option<usize>,
    /// Scores stay within this: `cap tanh(score / cap)`.
    pub(crate) soft_cap: Option<f32>,
    /// What the operands of the products may be rounded to.
    pub(crate) rounding: Rounding,
}

/// Attention of `q`, `k` and `v`.
pub(super) fn attention(
    q: &FlexTensor,
    k: &FlexTensor,
    v: &FlexTensor,
    pattern: Pattern,
) -> FlexTensor {
    let problem = problem(q, k, v, pattern);
    forward(&problem, &Heads::new(q), &Heads::new(k), &Heads::new(v)).0
}

fn problem(q: &FlexTensor, k: &FlexTensor, v: &FlexTensor, pattern: Pattern) -> Problem {
    #[cfg(target_arch = "x86_64")]
    let has_tiles = amx::is_available();
    #[cfg(not(target_arch = "x86_64"))]
    let has_tiles = false;
    let (q, k, v) = (q.layout().shape(), k.layout().shape(), v.layout().shape());
    let Pattern {
        padding,
        reach,
        soft_cap,
        rounding,
    } = pattern;
    Problem {
        batch: q[0],
        heads: q[1],
        key_heads: k[1],
        queries: q[2],
        keys: k[2],
        head_dim: q[3],
        value_dim: v[3],
        reach,
        padding,
        soft_cap,
        rounding: if has_tiles { rounding } else { Rounding::None },
    }
}

/// The output, stored as `[batch, queries, heads, value_dim]` so that merging the heads is free, and the logarithm of
/// the softmax denominator of each query, `[batch, queries, heads]`.
fn forward(problem: &Problem, q: &Heads, k: &Heads, v: &Heads) -> (FlexTensor, Vec<f32>) {
    let &Problem {
        batch,
        heads,
        key_heads,
        queries,
        value_dim,
        ..
    } = problem;
    let mut output = Unwritten::new(batch * queries * heads * value_dim);
    let mut logarithms = Unwritten::new(batch * queries * heads);
    let of_output = HeadsMut::new(output.slots(), [batch, heads, queries, value_dim]);
    let of_logarithms = HeadsMut::new(logarithms.slots(), [batch, heads, queries, 1]);
    (0..batch * key_heads).into_par_iter().for_each(|task| {
        let (batch, key_head) = problem.task(task);
        let task = ForwardTask {
            problem,
            batch,
            key_head,
            q,
            k,
            v,
            output: of_output,
            logarithms: of_logarithms,
        };
        match problem.rounding {
            #[cfg(target_arch = "x86_64")]
            Rounding::Bf16 => half::forward(&task),
            _ => single::forward(&task),
        }
    });
    // SAFETY: the tasks wrote every query of every head.
    let (output, logarithms) = unsafe { (output.assume_written(), logarithms.assume_written()) };
    let output = tensor(output, [batch, queries, heads, value_dim]);
    (Flex::float_swap_dims(output, 1, 2), logarithms)
}

/// What the backward keeps.
#[derive(Clone, Debug)]
struct Kept {
    problem: Problem,
    q: FlexTensor,
    k: FlexTensor,
    v: FlexTensor,
    logarithms: Vec<f32>,
}

/// The gradients of `q`, `k` and `v`, each stored as `[batch, positions, heads, dim]`.
fn backward(kept: &Kept, gradient: &FlexTensor) -> [FlexTensor; 3] {
    let problem = &kept.problem;
    let &Problem {
        batch,
        heads,
        key_heads,
        queries,
        keys,
        head_dim,
        value_dim,
        ..
    } = problem;
    let [q, k, v, gradient] = [&kept.q, &kept.k, &kept.v, gradient].map(Heads::new);
    let mut of_q = Unwritten::new(batch * queries * heads * head_dim);
    let mut of_k = Unwritten::new(batch * keys * key_heads * head_dim);
    let mut of_v = Unwritten::new(batch * keys * key_heads * value_dim);
    let to_q = HeadsMut::new(of_q.slots(), [batch, heads, queries, head_dim]);
    let to_k = HeadsMut::new(of_k.slots(), [batch, key_heads, keys, head_dim]);
    let to_v = HeadsMut::new(of_v.slots(), [batch, key_heads, keys, value_dim]);
    (0..batch * key_heads).into_par_iter().for_each(|task| {
        let (batch, key_head) = problem.task(task);
        let task = BackwardTask {
            problem,
            batch,
            key_head,
            q: &q,
            k: &k,
            v: &v,
            gradient: &gradient,
            logarithms: &kept.logarithms,
            of_q: to_q,
            of_k: to_k,
            of_v: to_v,
        };
        match problem.rounding {
            #[cfg(target_arch = "x86_64")]
            Rounding::Bf16 => half::backward(&task),
            _ => single::backward(&task),
        }
    });
    // SAFETY: the tasks wrote every query of every head, and every key of every key head.
    let (of_q, of_k, of_v) = unsafe {
        (
            of_q.assume_written(),
            of_k.assume_written(),
            of_v.assume_written(),
        )
    };
    [
        Flex::float_swap_dims(tensor(of_q, [batch, queries, heads, head_dim]), 1, 2),
        Flex::float_swap_dims(tensor(of_k, [batch, keys, key_heads, head_dim]), 1, 2),
        Flex::float_swap_dims(tensor(of_v, [batch, keys, key_heads, value_dim]), 1, 2),
    ]
}

/// [`attention`] with its backward.
pub(super) fn attention_autodiff<C: CheckpointStrategy>(
    q: FloatTensor<Autodiff<Flex, C>>,
    k: FloatTensor<Autodiff<Flex, C>>,
    v: FloatTensor<Autodiff<Flex, C>>,
    pattern: Pattern,
) -> FloatTensor<Autodiff<Flex, C>> {
    #[derive(Debug)]
    struct AttentionBackward;

    impl Backward<Flex, 3> for AttentionBackward {
        type State = Kept;

        fn backward(self, ops: Ops<Kept, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
            let gradient = grads.consume::<Flex>(&ops.node);
            let gradients = backward(&ops.state, &gradient);
            for (node, gradient) in ops.parents.into_iter().zip(gradients) {
                if let Some(node) = node {
                    grads.register::<Flex>(node.id, gradient);
                }
            }
        }
    }

    let (q, q_node) = q.into_parts();
    let (k, k_node) = k.into_parts();
    let (v, v_node) = v.into_parts();
    let problem = problem(&q, &k, &v, pattern);
    let (output, logarithms) = forward(&problem, &Heads::new(&q), &Heads::new(&k), &Heads::new(&v));
    match AttentionBackward
        .prepare::<C>([q_node, k_node, v_node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish(
            Kept {
                problem,
                q,
                k,
                v,
                logarithms,
            },
            output,
        ),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}
