//! Products of bf16: close to f32, as far as the rounding allows.
#![allow(clippy::unwrap_used)]

use burn::tensor::{Bool, DType, Device, Distribution, Tensor, TensorData};
use treelora_kernels::{AttentionMask, Fused, Rounding, attention, linear, lora_linear, set_fused};

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

/// Grouped heads, several blocks of queries, sizes that fill no tile, keys behind padding and behind a window.
#[test]
fn attention_with_rounded_operands_is_close_to_f32() {
    let device = Device::flex().autodiff();
    let padded = |batch: usize, keys: usize, padding: usize| {
        let flags: Vec<bool> = (0..batch * keys)
            .map(|i| i % keys < padding * (i / keys))
            .collect();
        let flags = TensorData::new(flags, [batch, keys]);
        Some(Tensor::<2, Bool>::from_data(flags, &device))
    };
    for [batch, heads, key_heads, queries, keys, head_dim, value_dim] in [
        [1, 1, 1, 1, 1, 1, 1],
        [2, 4, 2, 37, 50, 16, 24],
        [2, 2, 1, 9, 70, 64, 64],
        [1, 2, 2, 300, 700, 20, 12],
        [2, 1, 1, 130, 130, 5, 33],
    ] {
        let random = |shape: [usize; 4]| {
            Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device).require_grad()
        };
        let q = random([batch, heads, queries, head_dim]);
        let k = random([batch, key_heads, keys, head_dim]);
        let v = random([batch, key_heads, keys, value_dim]);
        let slope = random([batch, heads, queries, value_dim]);
        for mask in [
            AttentionMask::None,
            AttentionMask::causal(),
            AttentionMask::Causal {
                padding: padded(batch, keys, keys - 1),
            },
            AttentionMask::SlidingWindow {
                window: 45,
                padding: padded(batch, keys, 13.min(keys - 1)),
            },
        ] {
            let run = |rounding| {
                let y = attention(q.clone(), k.clone(), v.clone(), &mask, rounding);
                let gradients = (y.clone() * slope.clone()).sum().backward();
                let of = |leaf: &Tensor<4>| numbers(leaf.grad(&gradients).unwrap());
                [numbers(y), of(&q), of(&k), of(&v)]
            };
            let (exact, rounded) = (run(Rounding::None), run(Rounding::Bf16));
            for (index, (exact, rounded)) in exact.iter().zip(&rounded).enumerate() {
                let scale = exact.iter().fold(1.0_f32, |m, x| m.max(x.abs()));
                for (exact, rounded) in exact.iter().zip(rounded) {
                    assert!(
                        (exact - rounded).abs() <= 0.03 * scale,
                        "{:?} {keys} keys, {mask:?}: result {index}: {exact}, rounded {rounded}",
                        q.dims()
                    );
                }
            }
        }
    }
}
