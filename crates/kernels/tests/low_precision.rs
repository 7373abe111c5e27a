//! A frozen weight in bf16: close to f32, and as exact as its rounding allows.
#![allow(clippy::unwrap_used)]

use burn::tensor::{DType, Device, Distribution, Tensor};
use treelora_kernels::{Fused, linear, lora_linear, set_fused};

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter().collect()
}

/// The largest difference relative to the largest number.
fn distance(x: &[f32], y: &[f32]) -> f32 {
    assert_eq!(x.len(), y.len());
    let scale = y.iter().fold(0.0_f32, |m, y| m.max(y.abs()));
    x.iter()
        .zip(y)
        .fold(0.0_f32, |m, (x, y)| m.max((x - y).abs()))
        / scale
}

#[test]
fn projection_over_a_bf16_weight_is_close_to_f32_and_its_adapter_learns() {
    let device = Device::flex().autodiff();
    let random =
        |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Normal(0.0, 0.1), &device);
    let x = random([130, 97]).require_grad();
    let weight = random([97, 65]);
    let bias = Tensor::<1>::random([65], Distribution::Default, &device);
    let (a, b) = (
        random([97, 4]).require_grad(),
        random([4, 65]).require_grad(),
    );
    let run = |weight: Tensor<2>| {
        let y = lora_linear(
            x.clone(),
            weight.clone(),
            Some(bias.clone()),
            a.clone(),
            b.clone(),
            2.0,
        );
        let z = linear(y.clone(), weight.transpose(), None);
        let gradients = (z.clone() * z.clone()).sum().backward();
        let of = |leaf: &Tensor<2>| numbers(leaf.grad(&gradients).unwrap());
        [numbers(y), numbers(z), of(&x), of(&a), of(&b)]
    };
    let exact = run(weight.clone());
    let half = weight.cast(DType::BF16);
    assert_eq!(half.dtype(), DType::BF16);
    let fused = run(half.clone());
    set_fused(Fused::Off);
    let plain = run(half);
    set_fused(Fused::On);
    for ((exact, fused), plain) in exact.iter().zip(&fused).zip(&plain) {
        assert!(
            distance(plain, exact) < 0.02,
            "plain: {}",
            distance(plain, exact)
        );
        assert!(
            distance(fused, exact) < 0.02,
            "fused: {}",
            distance(fused, exact)
        );
    }
}
