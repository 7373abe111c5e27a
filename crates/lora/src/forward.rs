//! The factored forward that models call in place of `Linear::forward`.

use burn::{nn::Linear, tensor::Tensor};
use treelora_kernels as kernels;

use crate::{LoraAdapter, LoraBank, Selection};

/// A linear layer with the adapters that its weight carries: `x W + bias + sum_i scale_i (x A_i) B_i`.
///
/// Neither the dense update `A B` nor a gradient of a frozen `W` is formed. Without adapters it is
/// `Linear::forward`. With [`Selection::Groups`], the product with `W` is one for the whole batch.
///
/// # Shapes
/// `x [.., d_in]` -> `[.., d_out]`
///
/// # Panics
/// When the last axis of `x` is not `d_in`, or when the counts of [`Selection::Groups`] do not add up to the size
/// of the first axis.
pub fn linear<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    let bias = layer.bias.as_ref().map(|bias| bias.val());
    match layer.weight.reparameterization::<LoraBank>() {
        Some(bank) => adapted(bank, x, layer.weight.base(), bias),
        None => kernels::linear(x, layer.weight.val(), bias),
    }
}

fn adapted<const D: usize>(
    bank: &LoraBank,
    x: Tensor<D>,
    base: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    if let Some(merged) = bank.merged() {
        return kernels::linear(x, merged.clone(), bias);
    }
    match bank.selection() {
        Selection::None => kernels::linear(x, base, bias),
        Selection::One(index) => one(&bank.adapters[*index], x, base, bias),
        Selection::Sum(indices) => stacked(
            bank,
            indices.iter().map(|&index| (index, 1.0)),
            x,
            base,
            bias,
        ),
        Selection::Weighted(terms) => stacked(bank, terms.iter().copied(), x, base, bias),
        Selection::Groups(groups) => grouped(bank, groups, x, base, bias),
    }
}

fn one<const D: usize>(
    adapter: &LoraAdapter,
    x: Tensor<D>,
    base: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    if adapter.drops() {
        // The base sees all of `x`, the adapter a part of it: no fused form.
        return kernels::linear(x.clone(), base, bias) + adapter.output(x, 1.0);
    }
    kernels::lora_linear(
        x,
        base,
        bias,
        adapter.a.val(),
        adapter.b.val(),
        adapter.scale,
    )
}

fn stacked<const D: usize>(
    bank: &LoraBank,
    terms: impl Iterator<Item = (usize, f64)>,
    x: Tensor<D>,
    base: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    let output = kernels::linear(x.clone(), base, bias);
    terms.fold(output, |output, (index, weight)| {
        output + bank.adapters[index].output(x.clone(), weight)
    })
}

fn grouped<const D: usize>(
    bank: &LoraBank,
    groups: &[(Option<usize>, usize)],
    x: Tensor<D>,
    base: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    let (samples, grouped) = (
        x.dims()[0],
        groups.iter().map(|(_, count)| count).sum::<usize>(),
    );
    assert_eq!(samples, grouped, "samples of the input and of the groups");
    let output = kernels::linear(x.clone(), base, bias);
    if groups.iter().all(|(adapter, _)| adapter.is_none()) {
        return output;
    }
    let mut start = 0;
    let mut parts = Vec::with_capacity(groups.len());
    for &(adapter, count) in groups.iter().filter(|(_, count)| *count > 0) {
        let part = output.clone().narrow(0, start, count);
        parts.push(match adapter {
            Some(index) => {
                part + bank.adapters[index].output(x.clone().narrow(0, start, count), 1.0)
            }
            None => part,
        });
        start += count;
    }
    match parts.is_empty() {
        true => output,
        false => Tensor::cat(parts, 0),
    }
}
