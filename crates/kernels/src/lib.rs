//! Fused training kernels with their own backward: SIMD on the CPU, plain burn operations everywhere else.
//!
//! Each operation is one free function on burn tensors. On the pure Rust CPU backend it runs as one fused pass
//! with a hand-written backward; on every other backend, and when [`set_fused`]`(`[`Fused::Off`]`)`, the same
//! function composes plain burn operations. The two agree within 1e-4, so a model calls one function and the same
//! code runs everywhere.
//!
//! | operation | function |
//! |---|---|
//! | activations | [`gelu`], [`gelu_tanh`], [`silu_gate`] |
//! | normalisation | [`layer_norm`], [`rms_norm`], [`softmax`] |
//! | projections | [`linear`], [`lora_linear`], [`lora_linear_with_dropout`] by a [`Dropout`] |
//! | attention | [`attention`] with an [`AttentionMask`] and a [`Rounding`]; [`capped_attention`] of bounded scores |
//! | residual stream | [`add_bias_residual`] |
//! | loss | [`cross_entropy`] |
//!
//! A program that trains calls [`keep_freed_memory`] at its start: the buffers of one step then serve the next.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use treelora_kernels::{gelu, layer_norm};
//!
//! let device = Device::flex().autodiff();
//! let x = Tensor::<2>::from_floats([[-1.0, 0.0, 3.0]], &device).require_grad();
//! let y = gelu(layer_norm(x.clone(), Tensor::ones([3], &device), Tensor::zeros([3], &device), 1e-6));
//! let gradients = y.sum().backward();
//! assert_eq!(x.grad(&gradients).map(|gradient| gradient.dims()), Some([1, 3]));
//! ```
#![warn(missing_docs)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod activation;
mod attention;
#[cfg(feature = "flex")]
mod cpu;
mod cross_entropy;
mod dropout;
mod fused;
mod mask;
mod memory;
mod normalization;
mod projection;
mod residual;
mod rounding;

pub use activation::{gelu, gelu_tanh, silu_gate};
pub use attention::{attention, capped_attention};
pub use cross_entropy::cross_entropy;
pub use dropout::Dropout;
pub use fused::{Fused, fused, set_fused};
pub use mask::AttentionMask;
pub use memory::keep_freed_memory;
pub use normalization::{layer_norm, rms_norm, softmax};
pub use projection::{linear, lora_linear, lora_linear_with_dropout};
pub use residual::add_bias_residual;
pub use rounding::Rounding;
