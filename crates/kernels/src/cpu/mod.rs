//! The fused operations on burn's pure Rust CPU backend.
//!
//! Work is cut into tasks whose size depends on the shapes alone and partial sums are added in a fixed order, so
//! that results do not depend on the number of threads.

mod activation;
#[cfg(target_arch = "x86_64")]
mod amx;
mod attention;
#[cfg(target_arch = "x86_64")]
mod bf16;
mod buffer;
mod cross_entropy;
mod extension;
mod low_rank;
mod matrix;
mod normalization;
#[cfg(target_arch = "x86_64")]
mod pair_packing;
#[cfg(target_arch = "x86_64")]
mod pairs;
mod passes;
mod product;
mod projection;
mod residual;
mod rows;
mod scratch;
mod simd;
mod softmax;
mod thin;
#[cfg(target_arch = "x86_64")]
mod thin_pairs;
mod transposition;
mod weight;

use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{DType, Device, Tensor};

pub(crate) use attention::Pattern;
pub(crate) use cross_entropy::Labels;
pub(crate) use extension::FusedOps;

use crate::{Fused, fused};

/// The dispatcher through which the fused operations are called.
pub(crate) type Kernels = Dispatch;

/// Whether `device` is the CPU backend.
pub(crate) fn is_here(device: &Device) -> bool {
    matches!(
        device.clone().inner().as_dispatch(),
        DispatchDevice::Flex(_)
    )
}

/// Whether the fused kernels serve `x`: on, on the CPU backend, in f32.
pub(crate) fn serves<const D: usize>(x: &Tensor<D>) -> bool {
    fused() == Fused::On && x.dtype() == DType::F32 && is_here(&x.device())
}

/// Whether the projections take `weight` as it is.
pub(crate) fn multiplies(weight: &Tensor<2>) -> bool {
    matches!(weight.dtype(), DType::F32 | DType::BF16)
}
