//! Fused kernels against plain operations: forward and backward at the shapes of a vision transformer step.
//!
//! One benchmark per operation, width (ViT-Ti, S, B) and form; batch 32 at 197 positions, 8 for the widest.
#![allow(missing_docs)]

use burn::tensor::{Device, Distribution, Tensor};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use treelora_kernels::{
    AttentionMask, Fused, Rounding, attention, gelu, layer_norm, linear, lora_linear, set_fused,
};

const POSITIONS: usize = 197;
const HEAD_DIM: usize = 64;
const RANK: usize = 8;

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 0.05), device)
}

/// Benchmarks forward and backward of `f`, plain and fused.
fn both<const D: usize>(
    criterion: &mut Criterion,
    operation: &str,
    size: &str,
    device: &Device,
    f: impl Fn() -> Tensor<D>,
) {
    let mut group = criterion.benchmark_group(format!("kernels/{operation}"));
    group.sample_size(10);
    for (form, fused) in [("plain", Fused::Off), ("fused", Fused::On)] {
        set_fused(fused);
        group.bench_function(BenchmarkId::new(form, size), |bencher| {
            bencher.iter(|| {
                let gradients = f().sum().backward();
                device.sync().expect("the device works");
                gradients
            });
        });
    }
    set_fused(Fused::On);
    group.finish();
}

fn kernels(criterion: &mut Criterion) {
    let device = Device::default().autodiff();
    for (width, batch) in [(192, 32), (384, 32), (768, 8)] {
        let size = format!("{batch}x{POSITIONS}x{width}");
        let x = random([batch, POSITIONS, width], &device).require_grad();
        let wide = random([batch, POSITIONS, 4 * width], &device).require_grad();
        let (gamma, beta) = (
            Tensor::ones([width], &device),
            Tensor::zeros([width], &device),
        );
        let (weight, bias) = (random([width, width], &device), random([width], &device));
        let up = random([width, 4 * width], &device);
        let a = random([width, RANK], &device).require_grad();
        let b = random([RANK, width], &device).require_grad();
        let heads = || {
            let heads = [batch, POSITIONS, width / HEAD_DIM, HEAD_DIM];
            x.clone().reshape(heads).swap_dims(1, 2)
        };
        both(criterion, "gelu", &size, &device, || gelu(wide.clone()));
        both(criterion, "layer_norm", &size, &device, || {
            layer_norm(x.clone(), gamma.clone(), beta.clone(), 1e-6)
        });
        both(criterion, "attention", &size, &device, || {
            attention(
                heads(),
                heads(),
                heads(),
                &AttentionMask::None,
                Rounding::None,
            )
        });
        both(criterion, "linear", &size, &device, || {
            linear(x.clone(), up.clone(), None)
        });
        both(criterion, "lora_linear", &size, &device, || {
            lora_linear(
                x.clone(),
                weight.clone(),
                Some(bias.clone()),
                a.clone(),
                b.clone(),
                2.0,
            )
        });
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
