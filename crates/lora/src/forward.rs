//! The factored forward that models call in place of `Linear::forward`.

use burn::{nn::Linear, tensor::Tensor};
use treelora_kernels as kernels;

use crate::{
    adapter::LoraAdapter, bank::LoraBank, gates::Amount, selection::Selection, update::Update,
};

/// A linear layer with the updates that its weight carries: `x W + bias + sum_i x delta_i`, for low-rank pairs
/// `x W + bias + sum_i scale_i (x A_i) B_i`.
///
/// Neither a dense update nor a gradient of a frozen `W` is formed. Without updates it is `Linear::forward`. One
/// low-rank pair is a single fused operation. With [`Selection::Groups`], the product with `W` is one for the whole
/// batch.
///
/// # Shapes
/// `x [.., d_in]` -> `[.., d_out]`
///
/// # Panics
/// When the last axis of `x` is not `d_in`, or when the counts of [`Selection::Groups`] do not add up to the size
/// of the first axis, or when [`Selection::Gated`] has gates of another number of samples.
pub fn linear<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    let bias = layer.bias.as_ref().map(|bias| bias.val());
    let Some(bank) = layer.weight.reparameterization::<LoraBank>() else {
        return kernels::linear(x, layer.weight.val(), bias);
    };
    if let Some(merged) = bank.merged() {
        return kernels::linear(x, merged.clone(), bias);
    }
    let base = layer.weight.base();
    if let Some(pair) = only_pair(bank) {
        let (a, b, scale) = (pair.a.val(), pair.b.val(), pair.scale);
        return match pair.dropout_on(&x.device()) {
            Some(dropout) => kernels::lora_linear_with_dropout(x, base, bias, a, b, scale, dropout),
            None => kernels::lora_linear(x, base, bias, a, b, scale),
        };
    }
    let output = kernels::linear(x.clone(), base, bias.clone());
    with_updates(bank, x, output, bias)
}

/// The one low-rank pair that takes part.
fn only_pair(bank: &LoraBank) -> Option<&LoraAdapter> {
    let Selection::One(index) = bank.selection() else {
        return None;
    };
    bank.updates[*index].get()
}

/// `output`, which is `x W + bias`, and the selected updates of it.
///
/// # Shapes
/// `x [samples, .., d_in]`, `output [samples, .., d_out]` -> as `output`
pub(crate) fn with_updates<const D: usize>(
    bank: &LoraBank,
    x: Tensor<D>,
    output: Tensor<D>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    let layer = Layer { x, output, bias };
    if let Selection::Groups(groups) = bank.selection() {
        return grouped(bank, groups, layer);
    }
    let amounts = bank.selection().amounts().into_iter().flatten();
    amounts.fold(layer.output.clone(), |sum, (index, amount)| {
        sum + layer.partial(&bank.updates[index], &amount)
    })
}

/// What a layer without updates has computed.
struct Layer<const D: usize> {
    x: Tensor<D>,
    output: Tensor<D>,
    bias: Option<Tensor<1>>,
}

impl<const D: usize> Layer<D> {
    /// What one update adds to the output.
    fn partial(&self, update: &Update, amount: &Amount) -> Tensor<D> {
        if let Some(pair) = update.get::<LoraAdapter>() {
            return pair.partial(self.x.clone(), amount);
        }
        let product = || {
            let output = rows(self.output.clone());
            match &self.bias {
                Some(bias) => {
                    let bias = bias.clone().cast(output.dtype());
                    output - bias.unsqueeze()
                }
                None => output,
            }
        };
        let partial = update.output(rows(self.x.clone()), &product);
        let partial = partial
            .cast(self.output.dtype())
            .reshape(self.output.shape());
        amount.times(partial, 1.0)
    }

    fn samples(&self, start: usize, count: usize) -> Self {
        let part = |tensor: &Tensor<D>| tensor.clone().narrow(0, start, count);
        Self {
            x: part(&self.x),
            output: part(&self.output),
            bias: self.bias.clone(),
        }
    }
}

/// All axes but the last as one.
fn rows<const D: usize>(x: Tensor<D>) -> Tensor<2> {
    let dims = x.dims();
    let width = dims[D - 1];
    x.reshape([dims[..D - 1].iter().product(), width])
}

fn grouped<const D: usize>(
    bank: &LoraBank,
    groups: &[(Option<usize>, usize)],
    layer: Layer<D>,
) -> Tensor<D> {
    let (samples, grouped) = (
        layer.x.dims()[0],
        groups.iter().map(|(_, count)| count).sum::<usize>(),
    );
    assert_eq!(samples, grouped, "samples of the input and of the groups");
    if groups.iter().all(|(adapter, _)| adapter.is_none()) {
        return layer.output;
    }
    let mut start = 0;
    let mut parts = Vec::with_capacity(groups.len());
    for &(adapter, count) in groups.iter().filter(|(_, count)| *count > 0) {
        let part = layer.samples(start, count);
        parts.push(match adapter {
            Some(index) => {
                let partial = part.partial(&bank.updates[index], &Amount::Constant(1.0));
                part.output + partial
            }
            None => part.output,
        });
        start += count;
    }
    match parts.is_empty() {
        true => layer.output,
        false => Tensor::cat(parts, 0),
    }
}
