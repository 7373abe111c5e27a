//! The fused operations as an extension of burn's backends.

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, backend_extension};

use super::activation::{self, Gelu, GeluTanh};
use super::{attention, normalization};

/// Operations that run as one kernel each, with their own backward.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait FusedOps: Backend {
    /// See [`crate::gelu`].
    fn gelu_fused(x: FloatTensor<Self>) -> FloatTensor<Self>;
    /// See [`crate::gelu_tanh`].
    fn gelu_tanh_fused(x: FloatTensor<Self>) -> FloatTensor<Self>;
    /// See [`crate::silu_gate`].
    fn silu_gate_fused(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self>;
    /// See [`crate::layer_norm`].
    fn layer_norm_fused(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self>;
    /// See [`crate::rms_norm`].
    fn rms_norm_fused(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self>;
    /// See [`crate::softmax`].
    fn softmax_fused(x: FloatTensor<Self>) -> FloatTensor<Self>;
    /// See [`crate::attention`].
    fn attention_fused(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        padding: Option<Vec<bool>>,
        reach: Option<usize>,
    ) -> FloatTensor<Self>;
}

impl FusedOps for Flex {
    fn gelu_fused(x: FloatTensor<Self>) -> FloatTensor<Self> {
        activation::activate::<Gelu>(&x)
    }

    fn gelu_tanh_fused(x: FloatTensor<Self>) -> FloatTensor<Self> {
        activation::activate::<GeluTanh>(&x)
    }

    fn silu_gate_fused(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        activation::silu_gate(&gate, &up)
    }

    fn layer_norm_fused(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        normalization::layer_norm(&x, &gamma, &beta, epsilon).0
    }

    fn rms_norm_fused(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        normalization::rms_norm(&x, &gamma, epsilon).0
    }

    fn softmax_fused(x: FloatTensor<Self>) -> FloatTensor<Self> {
        normalization::softmax(&x)
    }

    fn attention_fused(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        padding: Option<Vec<bool>>,
        reach: Option<usize>,
    ) -> FloatTensor<Self> {
        attention::attention(&q, &k, &v, padding, reach)
    }
}

impl<C: CheckpointStrategy> FusedOps for Autodiff<Flex, C> {
    fn gelu_fused(x: FloatTensor<Self>) -> FloatTensor<Self> {
        activation::activate_autodiff::<_, C>(Gelu, x)
    }

    fn gelu_tanh_fused(x: FloatTensor<Self>) -> FloatTensor<Self> {
        activation::activate_autodiff::<_, C>(GeluTanh, x)
    }

    fn silu_gate_fused(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        activation::silu_gate_autodiff::<C>(gate, up)
    }

    fn layer_norm_fused(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        normalization::layer_norm_autodiff::<C>(x, gamma, beta, epsilon)
    }

    fn rms_norm_fused(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        normalization::rms_norm_autodiff::<C>(x, gamma, epsilon)
    }

    fn softmax_fused(x: FloatTensor<Self>) -> FloatTensor<Self> {
        normalization::softmax_autodiff::<C>(x)
    }

    fn attention_fused(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        padding: Option<Vec<bool>>,
        reach: Option<usize>,
    ) -> FloatTensor<Self> {
        attention::attention_autodiff::<C>(q, k, v, padding, reach)
    }
}
