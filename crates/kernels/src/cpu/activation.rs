//! Element-wise activations and their derivatives.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};

use super::buffer::{contiguous, map_elements, map_pairs, owned, tensor, update_elements};
use super::simd::{erf, exp};

/// An activation function with its derivative.
pub(super) trait Activation: core::fmt::Debug + Copy + Send + Sync + 'static {
    /// The function.
    fn value(x: f32) -> f32;
    /// Its derivative.
    fn slope(x: f32) -> f32;
}

/// `x Phi(x)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gelu;

impl Activation for Gelu {
    #[inline(always)]
    fn value(x: f32) -> f32 {
        let half = 0.5 * x;
        half.mul_add(erf(x * core::f32::consts::FRAC_1_SQRT_2), half)
    }

    #[inline(always)]
    fn slope(x: f32) -> f32 {
        /// 1 / sqrt(2 pi)
        const DENSITY: f32 = 0.398_942_3;
        let distribution = 0.5_f32.mul_add(erf(x * core::f32::consts::FRAC_1_SQRT_2), 0.5);
        (x * DENSITY).mul_add(exp(-0.5 * x * x), distribution)
    }
}

/// The tanh approximation of [`Gelu`].
#[derive(Clone, Copy, Debug)]
pub(super) struct GeluTanh;

impl GeluTanh {
    /// 2 sqrt(2 / pi): `(1 + tanh(u)) / 2` is the logistic function of `2 u`.
    const SLOPE: f32 = 1.595_769;
    const CUBIC: f32 = 0.044_715;

    #[inline(always)]
    fn gate(x: f32) -> f32 {
        logistic(Self::SLOPE * x * (Self::CUBIC * x).mul_add(x, 1.0))
    }
}

impl Activation for GeluTanh {
    #[inline(always)]
    fn value(x: f32) -> f32 {
        x * Self::gate(x)
    }

    #[inline(always)]
    fn slope(x: f32) -> f32 {
        let gate = Self::gate(x);
        let inner = Self::SLOPE * (3.0 * Self::CUBIC * x).mul_add(x, 1.0);
        (x * inner * gate).mul_add(1.0 - gate, gate)
    }
}

/// `1 / (1 + exp(-x))`.
#[inline(always)]
fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `A::value` of every element.
pub(super) fn activate<A: Activation>(x: &FlexTensor) -> FlexTensor {
    let shape = x.layout().shape().clone();
    tensor(map_elements(&contiguous(x), A::value), shape)
}

/// [`activate`] with its backward: keeps `x`, multiplies the gradient in place.
pub(super) fn activate_autodiff<A: Activation, C: CheckpointStrategy>(
    activation: A,
    x: FloatTensor<Autodiff<Flex, C>>,
) -> FloatTensor<Autodiff<Flex, C>> {
    #[derive(Debug)]
    struct ActivationBackward<A>(A);

    impl<A: Activation> Backward<Flex, 1> for ActivationBackward<A> {
        type State = FlexTensor;

        fn backward(self, ops: Ops<FlexTensor, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
            let gradient = grads.consume::<Flex>(&ops.node);
            let [Some(parent)] = ops.parents else { return };
            let mut gradient = owned(gradient);
            update_elements(&mut gradient, &contiguous(&ops.state), |g, x| {
                g * A::slope(x)
            });
            grads.register::<Flex>(parent.id, gradient);
        }
    }

    let (x, node) = x.into_parts();
    let output = activate::<A>(&x);
    match ActivationBackward(activation)
        .prepare::<C>([node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish(x, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

/// `silu(gate) * up`.
pub(super) fn silu_gate(gate: &FlexTensor, up: &FlexTensor) -> FlexTensor {
    let shape = gate.layout().shape().clone();
    let product = map_pairs(&contiguous(gate), &contiguous(up), |gate, up| {
        gate * logistic(gate) * up
    });
    tensor(product, shape)
}

/// [`silu_gate`] with its backward: keeps both inputs.
pub(super) fn silu_gate_autodiff<C: CheckpointStrategy>(
    gate: FloatTensor<Autodiff<Flex, C>>,
    up: FloatTensor<Autodiff<Flex, C>>,
) -> FloatTensor<Autodiff<Flex, C>> {
    #[derive(Debug)]
    struct SiluGateBackward;

    impl Backward<Flex, 2> for SiluGateBackward {
        type State = (FlexTensor, FlexTensor);

        fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
            let gradient = contiguous(&grads.consume::<Flex>(&ops.node));
            let [gate_node, up_node] = ops.parents;
            let (gate, up) = (contiguous(&ops.state.0), contiguous(&ops.state.1));
            let shape = gate.layout().shape().clone();
            if let Some(node) = up_node {
                let of_up = map_pairs(&gradient, &gate, |g, gate| g * gate * logistic(gate));
                grads.register::<Flex>(node.id, tensor(of_up, shape));
            }
            if let Some(node) = gate_node {
                let mut of_gate = owned(gradient);
                update_elements(&mut of_gate, &up, |g, up| g * up);
                update_elements(&mut of_gate, &gate, |g, gate| {
                    let s = logistic(gate);
                    g * (gate * s).mul_add(1.0 - s, s)
                });
                grads.register::<Flex>(node.id, of_gate);
            }
        }
    }

    let (gate, gate_node) = gate.into_parts();
    let (up, up_node) = up.into_parts();
    let output = silu_gate(&gate, &up);
    match SiluGateBackward
        .prepare::<C>([gate_node, up_node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish((gate, up), output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}
