//! Fused kernels and plain burn operations agree: values and gradients, on hostile shapes and layouts.
#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use treelora_kernels::{
    AttentionMask, Dropout, Fused, Rounding, add_bias_residual, attention, capped_attention,
    cross_entropy, gelu, gelu_tanh, layer_norm, linear, lora_linear, lora_linear_with_dropout,
    rms_norm, set_fused, silu_gate, softmax,
};

/// The switch is global to the process: one comparison at a time.
static SWITCH: Mutex<()> = Mutex::new(());

fn device() -> Device {
    Device::flex().autodiff()
}

/// Host numbers of a tensor.
fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_to_vec().unwrap()
}

/// A deterministic ramp of both signs that differs by `seed`.
fn values(shape: &[usize], seed: usize) -> TensorData {
    let count: usize = shape.iter().product();
    let numbers: Vec<f32> = (0..count)
        .map(|i| (((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0) * 2.5)
        .collect();
    TensorData::new(numbers, shape.to_vec())
}

fn random<const D: usize>(shape: [usize; D], seed: usize) -> Tensor<D> {
    Tensor::from_data(values(&shape, seed), &device())
}

/// Runs `f` plain and fused on leaves made of `inputs`; compares the outputs and the gradients of a weighted sum.
fn compare<const D: usize>(name: &str, inputs: &[TensorData], f: impl Fn(&[Leaf]) -> Tensor<D>) {
    let _guard = SWITCH
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let run = |fused| {
        set_fused(fused);
        let leaves: Vec<Leaf> = inputs.iter().map(Leaf::new).collect();
        let output = f(&leaves);
        let weights = Tensor::<D>::from_data(values(&output.dims(), 99), &device());
        let mut results = vec![numbers(output.clone())];
        let gradients = (output * weights).sum().backward();
        for leaf in &leaves {
            results.push(leaf.0.grad(&gradients).map(numbers).unwrap_or_default());
        }
        set_fused(Fused::On);
        results
    };
    for (index, (plain, fused)) in run(Fused::Off).into_iter().zip(run(Fused::On)).enumerate() {
        assert_eq!(plain.len(), fused.len(), "{name}: size of result {index}");
        let scale = plain.iter().fold(1.0_f32, |m, x| m.max(x.abs()));
        for (i, (p, f)) in plain.iter().zip(&fused).enumerate() {
            assert!(
                (p - f).abs() <= 1e-4 * scale,
                "{name}: result {index} at {i}: plain {p}, fused {f}"
            );
        }
    }
}

/// A tracked flat leaf, viewed in the shape of its data.
struct Leaf(Tensor<1>, Vec<usize>);

impl Leaf {
    fn new(data: &TensorData) -> Self {
        let shape: Vec<usize> = data.shape().to_vec();
        let count: usize = shape.iter().product();
        let flat = TensorData::new(data.try_to_vec::<f32>().unwrap(), [count]);
        Self(Tensor::from_data(flat, &device()).require_grad(), shape)
    }

    fn view<const D: usize>(&self) -> Tensor<D> {
        let shape: [usize; D] = self.1.clone().try_into().unwrap();
        if self.1.contains(&0) {
            // burn reads a zero in a new shape as "keep this axis".
            return Tensor::from_data(values(&shape, 0), &device()).require_grad();
        }
        self.0.clone().reshape(shape)
    }

    fn vector(&self) -> Tensor<1> {
        self.0.clone()
    }
}

const SHAPES: [[usize; 3]; 6] = [
    [1, 1, 1],
    [2, 3, 5],
    [1, 7, 64],
    [3, 17, 97],
    [5, 67, 192],
    [2, 0, 3],
];

#[test]
fn activations() {
    for shape in SHAPES {
        let x = values(&shape, 1);
        compare("gelu", std::slice::from_ref(&x), |l| {
            gelu(l[0].view::<3>() * 2.0)
        });
        compare("gelu_tanh", std::slice::from_ref(&x), |l| {
            gelu_tanh(l[0].view::<3>() * 2.0)
        });
        compare("silu_gate", &[x.clone(), values(&shape, 2)], |l| {
            silu_gate(l[0].view::<3>() * 3.0, l[1].view())
        });
        compare("gelu of a transpose", &[x], |l| {
            gelu(l[0].view::<3>().swap_dims(0, 2))
        });
    }
}

#[test]
fn normalisations() {
    for shape in SHAPES {
        let d = shape[2];
        let inputs = [values(&shape, 1), values(&[d], 2), values(&[d], 3)];
        compare("layer_norm", &inputs, |l| {
            layer_norm(l[0].view::<3>(), l[1].vector(), l[2].vector(), 1e-2)
        });
        compare("rms_norm", &inputs[..2], |l| {
            rms_norm(l[0].view::<3>(), l[1].vector(), 1e-2)
        });
        compare("softmax", &inputs[..1], |l| softmax(l[0].view::<3>()));
    }
    let inputs = [values(&[5, 3, 4], 1), values(&[5], 2), values(&[5], 3)];
    compare("layer_norm of a transpose", &inputs, |l| {
        layer_norm(
            l[0].view::<3>().swap_dims(0, 2),
            l[1].vector(),
            l[2].vector(),
            1e-2,
        )
    });
    compare("layer_norm with frozen scale", &inputs[..1], |l| {
        layer_norm(l[0].view::<3>(), random([4], 5), random([4], 6), 1e-2)
    });
}

fn padding(batch: usize, keys: usize) -> Tensor<2, Bool> {
    let flags: Vec<bool> = (0..batch * keys).map(|i| (i / keys + i) % 3 == 1).collect();
    Tensor::from_data(TensorData::new(flags, [batch, keys]), &device())
}

/// Rows padded before their first key, each by another number of keys.
fn left_padding(batch: usize, keys: usize) -> Tensor<2, Bool> {
    let padded = |row: usize| (row + 1) * keys / (batch + 1);
    let flags: Vec<bool> = (0..batch * keys)
        .map(|i| i % keys < padded(i / keys))
        .collect();
    Tensor::from_data(TensorData::new(flags, [batch, keys]), &device())
}

#[test]
fn attention_masks() {
    let sizes = [
        [1, 1, 1, 1, 1, 1],
        [2, 2, 2, 5, 5, 3],
        [1, 4, 2, 7, 19, 8],
        [2, 3, 1, 33, 33, 16],
        [1, 2, 2, 9, 4, 5],
    ];
    for [batch, heads, key_heads, queries, keys, dim] in sizes {
        let inputs = [
            values(&[batch, queries, heads * dim], 1),
            values(&[batch, keys, key_heads * dim], 2),
            values(&[batch, keys, key_heads * dim], 3),
        ];
        let masks = [
            AttentionMask::None,
            AttentionMask::causal(),
            AttentionMask::sliding_window(3),
            AttentionMask::Padding {
                padding: padding(batch, keys),
            },
            AttentionMask::Causal {
                padding: Some(padding(batch, keys)),
            },
            AttentionMask::SlidingWindow {
                window: 2,
                padding: Some(padding(batch, keys)),
            },
            AttentionMask::Padding {
                padding: left_padding(batch, keys),
            },
            AttentionMask::Causal {
                padding: Some(left_padding(batch, keys)),
            },
            AttentionMask::SlidingWindow {
                window: 3,
                padding: Some(left_padding(batch, keys)),
            },
        ];
        for mask in masks {
            let name =
                format!("attention {batch}x{heads}/{key_heads}x{queries}x{keys}x{dim} {mask:?}");
            let split = |x: Tensor<3>, heads: usize| {
                let [b, t, _] = x.dims();
                x.reshape([b, t, heads, dim]).swap_dims(1, 2)
            };
            compare(&format!("capped {name}"), &inputs, |l| {
                let [q, k, v] = [(0, heads), (1, key_heads), (2, key_heads)]
                    .map(|(i, heads)| split(l[i].view(), heads));
                // About the size of the scores.
                capped_attention(q, k, v, &mask, 0.8, Rounding::None)
            });
            compare(&name, &inputs, |l| {
                let q = split(l[0].view(), heads);
                attention(
                    q,
                    split(l[1].view(), key_heads),
                    split(l[2].view(), key_heads),
                    &mask,
                    Rounding::None,
                )
            });
        }
    }
}

/// The fused kernel skips the padding, so that no sum is cut otherwise.
#[test]
fn padding_before_a_row_changes_no_bit() {
    let _guard = SWITCH.lock();
    let (keys, padded) = (350, 37);
    let parts = [1, 2, 3].map(|seed| random([1, 2, keys, 16], seed));
    let cases = [Rounding::None, Rounding::Bf16]
        .into_iter()
        .flat_map(|rounding| [(keys, rounding), (20, rounding)]);
    for (reach, rounding) in cases {
        let mask = |padding| AttentionMask::SlidingWindow {
            window: reach,
            padding,
        };
        let [q, k, v] = parts.clone();
        let row = numbers(attention(q, k, v, &mask(None), rounding));
        let [q, k, v] = parts.clone().map(|x| {
            let before = random([1, 2, padded, 16], 4);
            Tensor::cat(vec![before, x], 2)
        });
        let flags: Vec<bool> = (0..padded + keys).map(|key| key < padded).collect();
        let padding = Tensor::from_data(TensorData::new(flags, [1, padded + keys]), &device());
        let longer = attention(q, k, v, &mask(Some(padding)), rounding);
        assert!(
            row == numbers(longer.narrow(2, padded, keys)),
            "reach {reach}, {rounding:?}"
        );
    }
}

#[test]
fn attention_over_several_blocks() {
    let inputs = [
        values(&[1, 2, 300, 8], 1),
        values(&[1, 2, 700, 8], 2),
        values(&[1, 2, 700, 4], 3),
    ];
    for mask in [
        AttentionMask::None,
        AttentionMask::causal(),
        AttentionMask::sliding_window(50),
        AttentionMask::Causal {
            padding: Some(left_padding(1, 700)),
        },
        AttentionMask::SlidingWindow {
            window: 50,
            padding: Some(left_padding(1, 700)),
        },
    ] {
        compare("long attention", &inputs, |l| {
            attention(l[0].view(), l[1].view(), l[2].view(), &mask, Rounding::None)
        });
    }
    let inputs = [
        values(&[1, 4, 9, 2], 1),
        values(&[1, 4, 9, 2], 2),
        values(&[1, 4, 9, 2], 3),
    ];
    compare("attention over transposed positions", &inputs, |l| {
        let t = |i: usize| l[i].view::<4>().swap_dims(2, 3);
        attention(t(0), t(1), t(2), &AttentionMask::None, Rounding::None)
    });
}

#[test]
fn attention_of_an_empty_batch() {
    let inputs = [
        values(&[0, 2, 3, 4], 1),
        values(&[0, 2, 3, 4], 2),
        values(&[0, 2, 3, 4], 3),
    ];
    compare("empty attention", &inputs, |l| {
        attention(
            l[0].view(),
            l[1].view(),
            l[2].view(),
            &AttentionMask::None,
            Rounding::None,
        )
    });
}

#[test]
fn projections() {
    for [rows, d_in, d_out, rank] in [
        [1, 1, 1, 1],
        [7, 5, 3, 2],
        [0, 4, 3, 2],
        [130, 64, 48, 8],
        [33, 97, 101, 17],
    ] {
        let inputs = [
            values(&[rows, d_in], 1),
            values(&[d_in, d_out], 2),
            values(&[d_out], 3),
            values(&[d_in, rank], 4),
            values(&[rank, d_out], 5),
        ];
        compare("linear", &inputs[..3], |l| {
            linear(l[0].view::<2>(), l[1].view(), Some(l[2].vector()))
        });
        compare("linear without bias", &inputs[..2], |l| {
            linear(l[0].view::<2>(), l[1].view(), None)
        });
        compare("lora_linear, all tracked", &inputs, |l| {
            lora_linear(
                l[0].view::<2>(),
                l[1].view(),
                Some(l[2].vector()),
                l[3].view(),
                l[4].view(),
                1.7,
            )
        });
        let adapter = [inputs[0].clone(), inputs[3].clone(), inputs[4].clone()];
        compare("lora_linear, frozen base", &adapter, |l| {
            let weight = random([d_in, d_out], 2);
            lora_linear(
                l[0].view::<2>(),
                weight,
                Some(random([d_out], 3)),
                l[1].view(),
                l[2].view(),
                0.3,
            )
        });
        let dropout = Dropout::new(0.3, rows as u64);
        compare("lora_linear with dropout", &adapter, |l| {
            lora_linear_with_dropout(
                l[0].view::<2>(),
                random([d_in, d_out], 2),
                Some(random([d_out], 3)),
                l[1].view(),
                l[2].view(),
                0.3,
                dropout,
            )
        });
        compare("lora_linear, first layer", &adapter[1..], |l| {
            let (x, weight) = (random([rows, d_in], 1), random([d_in, d_out], 2));
            lora_linear(x, weight, None, l[0].view(), l[1].view(), 0.3)
        });
    }
    let inputs = [values(&[4, 3, 5], 1), values(&[3, 4], 2), values(&[4], 3)];
    compare("linear of a transpose", &inputs, |l| {
        linear(
            l[0].view::<3>().swap_dims(1, 2),
            l[1].view::<2>(),
            Some(l[2].vector()),
        )
    });
    compare("linear with a transposed weight", &inputs, |l| {
        linear(
            l[0].view::<3>().swap_dims(0, 2),
            l[1].view::<2>().transpose(),
            None,
        )
    });
}

#[test]
fn residuals() {
    for shape in SHAPES {
        let inputs = [values(&shape, 1), values(&[shape[2]], 2), values(&shape, 3)];
        compare("add_bias_residual", &inputs, |l| {
            add_bias_residual(l[0].view::<3>(), l[1].vector(), l[2].view())
        });
    }
}

#[test]
fn losses() {
    for [rows, classes] in [[1, 1], [3, 7], [65, 100], [0, 4], [4, 1031]] {
        let logits = [values(&[rows, classes], 1)];
        let open: Vec<bool> = (0..classes).map(|c| c % 3 != 1).collect();
        let allowed =
            || Tensor::<1, Bool>::from_data(TensorData::new(open.clone(), [classes]), &device());
        let chosen: Vec<i64> = (0..rows)
            .map(|r| (r * 3 % classes.next_multiple_of(3)).min((classes - 1) / 3 * 3) as i64)
            .collect();
        let targets =
            || Tensor::<1, Int>::from_data(TensorData::new(chosen.clone(), [rows]), &device());
        compare("cross_entropy", &logits, |l| {
            cross_entropy(l[0].view(), targets(), None)
        });
        compare("cross_entropy over open classes", &logits, |l| {
            cross_entropy(l[0].view(), targets(), Some(allowed()))
        });
        let partly: Vec<i64> = chosen
            .iter()
            .enumerate()
            .map(|(i, &c)| if i % 2 == 1 { -100 } else { c })
            .collect();
        compare("cross_entropy with ignored rows", &logits, |l| {
            let targets =
                Tensor::<1, Int>::from_data(TensorData::new(partly.clone(), [rows]), &device());
            cross_entropy(l[0].view(), targets, None)
        });
    }
}

#[test]
fn random_inputs_of_random_shapes() {
    let mut runner =
        proptest::test_runner::TestRunner::new(proptest::test_runner::Config::with_cases(24));
    let shapes = (
        1_usize..4,
        1_usize..40,
        1_usize..5,
        1_usize..20,
        0_usize..1000,
    );
    runner
        .run(&shapes, |(batch, positions, heads, dim, seed)| {
            let width = heads * dim;
            let inputs = [
                values(&[batch, positions, width], seed),
                values(&[width], seed + 1),
                values(&[width], seed + 2),
            ];
            compare("a small block", &inputs, |l| {
                let x = layer_norm(l[0].view::<3>(), l[1].vector(), l[2].vector(), 1e-3);
                let split = x
                    .clone()
                    .reshape([batch, positions, heads, dim])
                    .swap_dims(1, 2);
                let mixed = attention(
                    split.clone(),
                    split.clone(),
                    split,
                    &AttentionMask::causal(),
                    Rounding::None,
                );
                gelu(x + mixed.swap_dims(1, 2).reshape([batch, positions, width]))
            });
            Ok(())
        })
        .unwrap();
}
