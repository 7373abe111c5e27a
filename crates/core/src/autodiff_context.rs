//! Constants beside the tensors of a graph.

use burn::tensor::{Device, Tensor};

/// `value`, detached, in the autodiff context of `device` or outside of any, as the device is.
///
/// The context is more than "autodiff or not": tensors of a graph that recomputes activations and of one that keeps
/// them do not meet in one operation.
pub fn in_context_of<const D: usize>(value: Tensor<D>, device: &Device) -> Tensor<D> {
    let value = value.without_autodiff();
    match device.gradient_checkpointing_strategy() {
        Some(strategy) => value
            .autodiff()
            .with_gradient_checkpointing_strategy(strategy),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_meets_the_tensors_of_every_context() {
        let plain = Device::flex();
        let kept = plain.clone().autodiff();
        for device in [plain, kept.clone(), kept.clone().gradient_checkpointing()] {
            let own = Tensor::<1>::ones([2], &device);
            let constant = in_context_of(Tensor::ones([2], &kept), &own.device());
            let sum: Vec<f32> = (own + constant).into_data().iter().collect();
            assert_eq!(sum, [2.0, 2.0]);
        }
    }
}
