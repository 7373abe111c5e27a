//! The factored forward of a convolution.

use burn::{
    module::{Param, ParamId},
    nn::conv::Conv2d,
    tensor::Tensor,
};

use crate::{
    bank::LoraBank,
    forward::with_updates,
    selection::Selection,
    weight::{as_matrix, from_matrix},
};

/// A 2-D convolution with the updates that its kernels carry, each of which multiplies the patches of the input.
///
/// Models that call `Conv2d::forward` compute the same through the dense kernels that burn composes. This one forms none
/// and serves samples that differ in their updates; it pays for cutting out the patches `[patches, d_in]` with
/// `d_in = channels * height * width` of a kernel. With channels in groups, the dense kernels serve both.
///
/// # Shapes
/// `x [batch, channels_in, height_in, width_in]` -> `[batch, channels_out, height_out, width_out]`
///
/// # Panics
/// As [`linear`](crate::linear).
pub fn convolution(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    let bank = match layer.weight.reparameterization::<LoraBank>() {
        Some(bank) if bank.merged().is_none() && layer.groups == 1 => bank,
        _ => return layer.forward(x),
    };
    let base = layer.weight.base();
    let bias = layer.bias.as_ref().map(|bias| bias.val());
    let plain = with_kernels(layer, base.clone(), layer.bias.clone()).forward(x.clone());
    if matches!(bank.selection(), Selection::None) {
        return plain;
    }
    let [batch, channels, height, width] = plain.dims();
    let patches = as_positions(cut(layer, base, x));
    let output = with_updates(bank, patches, as_positions(plain), bias);
    output
        .swap_dims(1, 2)
        .reshape([batch, channels, height, width])
}

/// The convolution with other kernels.
fn with_kernels(layer: &Conv2d, kernels: Tensor<4>, bias: Option<Param<Tensor<1>>>) -> Conv2d {
    Conv2d {
        weight: Param::initialized(ParamId::new(), kernels),
        bias,
        ..layer.clone()
    }
}

/// What each kernel sees, `[batch, d_in, height_out, width_out]`: kernels that each pass one entry of a patch on, so that
/// stride, padding and dilation are those of the layer.
fn cut(layer: &Conv2d, kernels: Tensor<4>, x: Tensor<4>) -> Tensor<4> {
    let [_, channels, height, width] = kernels.dims();
    let d_in = as_matrix(kernels).dims()[0];
    let each = Tensor::<2>::eye(d_in, &x.device()).cast(x.dtype());
    let each = from_matrix(each, [d_in, channels, height, width].into());
    with_kernels(layer, each, None).forward(x)
}

/// `[batch, channels, height, width]` -> `[batch, height * width, channels]`
fn as_positions(x: Tensor<4>) -> Tensor<3> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels, height * width]).swap_dims(1, 2)
}
