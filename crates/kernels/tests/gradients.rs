//! The plain form of every operation against finite differences in f64, and the fused form at any thread count.
#![allow(clippy::unwrap_used)]

use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};
use treelora_kernels::{
    AttentionMask, Dropout, Rounding, add_bias_residual, attention, capped_attention,
    cross_entropy, gelu, gelu_tanh, layer_norm, linear, lora_linear, lora_linear_with_dropout,
    rms_norm, silu_gate, softmax,
};

fn device() -> Device {
    Device::flex().autodiff()
}

/// Deterministic numbers of both signs.
fn values(count: usize, seed: usize) -> Vec<f64> {
    (0..count)
        .map(|i| ((i * 7919 + seed * 104_729) % 2003) as f64 / 1001.5 - 1.0)
        .collect()
}

fn leaf<const D: usize>(values: &[f64], shape: [usize; D], dtype: DType) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), (&device(), dtype))
}

/// Compares the gradient of `f` at `values(count)` with central differences, in f64, where nothing is fused.
fn check(name: &str, count: usize, f: impl Fn(Tensor<1>) -> Tensor<1>) {
    let at = values(count, 1);
    let value = |x: &[f64]| -> f64 {
        let y = f(leaf(x, [count], DType::F64));
        let weights = leaf(&values(y.dims()[0], 2), y.dims(), DType::F64);
        (y * weights)
            .sum()
            .into_data()
            .iter::<f64>()
            .next()
            .unwrap()
    };
    let x = leaf(&at, [count], DType::F64).require_grad();
    let y = f(x.clone());
    let weights = leaf(&values(y.dims()[0], 2), y.dims(), DType::F64);
    let gradients = (y * weights).sum().backward();
    let gradient: Vec<f64> = x.grad(&gradients).unwrap().into_data().iter().collect();
    for i in 0..count {
        const STEP: f64 = 1e-5;
        let moved = |step: f64| {
            let mut x = at.clone();
            x[i] += step;
            value(&x)
        };
        let difference = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
        assert!(
            (difference - gradient[i]).abs() < 1e-6 * (1.0 + difference.abs()),
            "{name} at {i}: gradient {}, difference {difference}",
            gradient[i]
        );
    }
}

fn part<const D: usize>(x: &Tensor<1>, start: usize, shape: [usize; D]) -> Tensor<D> {
    let count: usize = shape.iter().product();
    x.clone().narrow(0, start, count).reshape(shape)
}

fn flat<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let count = x.dims().iter().product::<usize>();
    x.reshape([count])
}

#[test]
fn element_wise_and_rows() {
    check("gelu", 9, gelu);
    check("gelu_tanh", 9, gelu_tanh);
    check("silu_gate", 12, |x| {
        silu_gate(part(&x, 0, [6]), part(&x, 6, [6]))
    });
    check("layer_norm", 20, |x| {
        flat(layer_norm(
            part(&x, 0, [3, 4]),
            part(&x, 12, [4]),
            part(&x, 16, [4]),
            1e-3,
        ))
    });
    check("rms_norm", 16, |x| {
        flat(rms_norm(part(&x, 0, [3, 4]), part(&x, 12, [4]), 1e-3))
    });
    check("softmax", 12, |x| flat(softmax(part(&x, 0, [3, 4]))));
    check("add_bias_residual", 27, |x| {
        flat(add_bias_residual(
            part(&x, 0, [4, 3]),
            part(&x, 12, [3]),
            part(&x, 15, [4, 3]),
        ))
    });
}

#[test]
fn projections() {
    check("linear", 6 + 12 + 4, |x| {
        flat(linear(
            part(&x, 0, [2, 3]),
            part(&x, 6, [3, 4]),
            Some(part(&x, 18, [4])),
        ))
    });
    check("lora_linear", 6 + 12 + 4 + 6 + 8, |x| {
        let bias = Some(part(&x, 18, [4]));
        let (a, b) = (part(&x, 22, [3, 2]), part(&x, 28, [2, 4]));
        flat(lora_linear(
            part(&x, 0, [2, 3]),
            part(&x, 6, [3, 4]),
            bias,
            a,
            b,
            1.5,
        ))
    });
    check("lora_linear with dropout", 6 + 6 + 8, |x| {
        let (a, b) = (part(&x, 6, [3, 2]), part(&x, 12, [2, 4]));
        let weight = leaf(&values(12, 9), [3, 4], x.dtype());
        flat(lora_linear_with_dropout(
            part(&x, 0, [2, 3]),
            weight,
            None,
            a,
            b,
            1.5,
            Dropout::new(0.4, 3),
        ))
    });
}

#[test]
fn attention_and_loss() {
    let padding = Tensor::<2, Bool>::from_data([[false, true, false, false]], &device());
    let masks = [
        AttentionMask::None,
        AttentionMask::SlidingWindow {
            window: 2,
            padding: Some(padding),
        },
    ];
    for mask in masks {
        check("attention", 2 * 4 * 2 + 2 * 4 * 2, |x| {
            let (q, k) = (part(&x, 0, [1, 2, 4, 2]), part(&x, 16, [1, 1, 4, 2]));
            flat(attention(
                q,
                k,
                part(&x, 24, [1, 1, 4, 2]),
                &mask,
                Rounding::None,
            ))
        });
    }
    check("capped_attention", 2 * 4 * 2 + 2 * 4 * 2, |x| {
        let (q, k) = (part(&x, 0, [1, 2, 4, 2]), part(&x, 16, [1, 1, 4, 2]));
        let v = part(&x, 24, [1, 1, 4, 2]);
        flat(capped_attention(
            q,
            k,
            v,
            &AttentionMask::causal(),
            0.6,
            Rounding::None,
        ))
    });
    let targets = Tensor::<1, Int>::from_data([2, -1, 0], &device());
    let open = Tensor::<1, Bool>::from_data([true, false, true, true], &device());
    check("cross_entropy", 12, |x| {
        cross_entropy(part(&x, 0, [3, 4]), targets.clone(), Some(open.clone()))
    });
}

/// Bits of the output and of all gradients of a small adapted block, computed by `threads` threads.
fn block_bits(threads: usize) -> Vec<u32> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    pool.install(|| {
        let (batch, positions, heads, dim, rank) = (3, 197, 3, 64, 8);
        let d = heads * dim;
        let tracked = |shape: [usize; 2], seed| {
            leaf(&values(shape[0] * shape[1], seed), shape, DType::F32).require_grad()
        };
        let vector = |seed| leaf(&values(d, seed), [d], DType::F32).require_grad();
        let x = tracked([batch * positions, d], 1);
        let (w, a, b) = (
            tracked([d, d], 2),
            tracked([d, rank], 3),
            tracked([rank, d], 4),
        );
        let (gamma, beta, bias) = (vector(5), vector(6), vector(7));
        let y = layer_norm(x.clone(), gamma.clone(), beta.clone(), 1e-6);
        let y = lora_linear_with_dropout(
            y,
            w.clone() / 16.0,
            Some(bias.clone()),
            a.clone(),
            b.clone(),
            0.1,
            Dropout::new(0.1, 1),
        );
        let split = y.reshape([batch, positions, heads, dim]).swap_dims(1, 2);
        let y = attention(
            split.clone(),
            split.clone(),
            split,
            &AttentionMask::causal(),
            Rounding::None,
        );
        let y = gelu(y.swap_dims(1, 2).reshape([batch * positions, d]));
        let y = add_bias_residual(y, bias.clone(), x.clone());
        let targets = Tensor::<1, Int>::zeros([batch * positions], &device());
        let loss = cross_entropy(y.clone(), targets, None);
        let gradients = loss.backward();
        let mut bits = Vec::new();
        let mut push = |data: TensorData| bits.extend(data.iter::<f32>().map(f32::to_bits));
        push(y.into_data());
        for leaf in [x, w, a, b] {
            push(leaf.grad(&gradients).unwrap().into_data());
        }
        for leaf in [gamma, beta, bias] {
            push(leaf.grad(&gradients).unwrap().into_data());
        }
        bits
    })
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let one = block_bits(1);
    assert!(one.iter().all(|&bits| f32::from_bits(bits).is_finite()));
    for threads in [2, 3] {
        assert!(
            one == block_bits(threads),
            "{threads} threads gave other bits than one"
        );
    }
}
