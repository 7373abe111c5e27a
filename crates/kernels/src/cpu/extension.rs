//! The fused operations as an extension of burn's backends.

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, backend_extension};

use super::activation::{self, Gelu, GeluTanh};
use super::attention::{self, Pattern};
use super::cross_entropy::{self, Labels};
use super::{normalization, projection, residual, softmax};
use crate::Dropout;

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
        pattern: Pattern,
    ) -> FloatTensor<Self>;
    /// See [`crate::linear`]; a bias of length zero is none.
    fn linear_fused(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
    /// See [`crate::lora_linear_with_dropout`]; a bias of length zero is none.
    fn lora_linear_fused(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        scale: f64,
        dropout: Option<Dropout>,
    ) -> FloatTensor<Self>;
    /// See [`crate::add_bias_residual`].
    fn add_bias_residual_fused(
        x: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
    /// See [`crate::cross_entropy`].
    fn cross_entropy_fused(logits: FloatTensor<Self>, labels: Labels) -> FloatTensor<Self>;
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
        softmax::softmax(&x)
    }

    fn attention_fused(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        pattern: Pattern,
    ) -> FloatTensor<Self> {
        attention::attention(&q, &k, &v, pattern)
    }

    fn linear_fused(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        projection::linear(&x, &weight, &bias)
    }

    fn lora_linear_fused(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        scale: f64,
        dropout: Option<Dropout>,
    ) -> FloatTensor<Self> {
        projection::lora_linear(&x, &weight, &bias, [&a, &b], scale, dropout).0
    }

    fn add_bias_residual_fused(
        x: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        residual::add_bias_residual(&x, &bias, &residual)
    }

    fn cross_entropy_fused(logits: FloatTensor<Self>, labels: Labels) -> FloatTensor<Self> {
        cross_entropy::cross_entropy(&logits, &labels).0
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
        softmax::softmax_autodiff::<C>(x)
    }

    fn attention_fused(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        pattern: Pattern,
    ) -> FloatTensor<Self> {
        attention::attention_autodiff::<C>(q, k, v, pattern)
    }

    fn linear_fused(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        projection::linear_autodiff::<C>(x, weight, bias)
    }

    fn lora_linear_fused(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        scale: f64,
        dropout: Option<Dropout>,
    ) -> FloatTensor<Self> {
        projection::lora_linear_autodiff::<C>(x, weight, bias, [a, b], scale, dropout)
    }

    fn add_bias_residual_fused(
        x: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        residual::add_bias_residual_autodiff::<C>(x, bias, residual)
    }

    fn cross_entropy_fused(logits: FloatTensor<Self>, labels: Labels) -> FloatTensor<Self> {
        cross_entropy::cross_entropy_autodiff::<C>(logits, labels)
    }
}
