//! Times one adapter training step of a vision transformer, fused and plain, interleaved.
//!
//! `cargo run --release -p treelora-kernels --features flex --example vit_step -- [width] [batch] [depth] [rounds]`
//! (widths of ViT-Ti, S and B: 192, 384, 768). First each operation alone, then forward and backward of the blocks
//! with rank 8 adapters on the query and value projections, and again with the frozen weights in bf16 (against plain
//! f32). Prints the fastest round of each, in milliseconds.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use burn::tensor::{DType, Device, Distribution, Int, Tensor};
use treelora_kernels::{
    AttentionMask, Fused, Rounding, attention, cross_entropy, fused, gelu, layer_norm, linear,
    lora_linear, set_fused,
};

const POSITIONS: usize = 197;
const HEAD_DIM: usize = 64;

struct Adapter {
    a: Tensor<2>,
    b: Tensor<2>,
}

struct Block {
    norms: [(Tensor<1>, Tensor<1>); 2],
    /// Query, key, value, output, up and down.
    projections: Vec<(Tensor<2>, Tensor<1>)>,
    query: Adapter,
    value: Adapter,
    /// The weights of the projections in bf16, used by the fused form when asked for.
    halves: Vec<Tensor<2>>,
    precision: Precision,
}

#[derive(Clone, Copy, PartialEq)]
enum Precision {
    Single,
    Half,
}

fn random<const D: usize>(shape: [usize; D], deviation: f64, device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, deviation), device)
}

impl Block {
    fn new(d: usize, precision: Precision, device: &Device) -> Self {
        let projection = |d_in: usize, d_out: usize| {
            (
                random([d_in, d_out], (d_in as f64).powf(-0.5), device),
                Tensor::zeros([d_out], device),
            )
        };
        let adapter = || Adapter {
            a: random([d, 8], 0.02, device).require_grad(),
            b: random([8, d], 0.02, device).require_grad(),
        };
        let norm = || (Tensor::ones([d], device), Tensor::zeros([d], device));
        let projections = vec![
            projection(d, d),
            projection(d, d),
            projection(d, d),
            projection(d, d),
            projection(d, 4 * d),
            projection(4 * d, d),
        ];
        let halves = projections
            .iter()
            .map(|(weight, _)| weight.clone().cast(DType::BF16))
            .collect();
        let (query, value) = (adapter(), adapter());
        Self {
            norms: [norm(), norm()],
            projections,
            query,
            value,
            halves,
            precision,
        }
    }

    fn weight(&self, index: usize) -> Tensor<2> {
        if self.precision == Precision::Half && fused() == Fused::On {
            self.halves[index].clone()
        } else {
            self.projections[index].0.clone()
        }
    }

    fn norm(&self, index: usize, x: Tensor<3>) -> Tensor<3> {
        let (gamma, beta) = &self.norms[index];
        layer_norm(x, gamma.clone(), beta.clone(), 1e-6)
    }

    fn project(&self, index: usize, x: Tensor<3>) -> Tensor<3> {
        linear(
            x,
            self.weight(index),
            Some(self.projections[index].1.clone()),
        )
    }

    fn adapted(&self, index: usize, adapter: &Adapter, x: Tensor<3>) -> Tensor<3> {
        let bias = Some(self.projections[index].1.clone());
        lora_linear(
            x,
            self.weight(index),
            bias,
            adapter.a.clone(),
            adapter.b.clone(),
            2.0,
        )
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, positions, d] = x.dims();
        let y = self.norm(0, x.clone());
        let split = |x: Tensor<3>| {
            x.reshape([batch, positions, d / HEAD_DIM, HEAD_DIM])
                .swap_dims(1, 2)
        };
        let q = split(self.adapted(0, &self.query, y.clone()));
        let k = split(self.project(1, y.clone()));
        let v = split(self.adapted(2, &self.value, y));
        let y = attention(q, k, v, &AttentionMask::None, Rounding::None)
            .swap_dims(1, 2)
            .reshape([batch, positions, d]);
        let x = x + self.project(3, y);
        let y = gelu(self.project(4, self.norm(1, x.clone())));
        x + self.project(5, y)
    }
}

/// Milliseconds of `f`.
fn time<R>(f: impl FnOnce() -> R) -> (f64, R) {
    let start = Instant::now();
    let result = f();
    (start.elapsed().as_secs_f64() * 1e3, result)
}

/// The fastest forward and backward of `f`, plain and fused, in interleaved rounds.
fn compare<const D: usize>(name: &str, rounds: usize, f: impl Fn() -> Tensor<D>) {
    let mut best = [[f64::INFINITY; 2]; 2];
    for round in 0..2 * rounds {
        let which = round % 2;
        set_fused(if which == 0 { Fused::Off } else { Fused::On });
        let (forward, output) = time(&f);
        let (backward, _) = time(|| output.sum().backward());
        best[which][0] = best[which][0].min(forward);
        best[which][1] = best[which][1].min(backward);
    }
    let [plain, fused] = best;
    println!(
        "{name:<14} plain {:8.2} + {:8.2}   fused {:8.2} + {:8.2}   ratio {:.2} + {:.2}",
        plain[0],
        plain[1],
        fused[0],
        fused[1],
        fused[0] / plain[0],
        fused[1] / plain[1]
    );
}

fn main() {
    let arguments: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|x| x.parse().ok())
        .collect();
    let argument = |index: usize, default: usize| arguments.get(index).copied().unwrap_or(default);
    let (d, batch, depth, rounds) = (
        argument(0, 192),
        argument(1, 32),
        argument(2, 12),
        argument(3, 3),
    );
    let device = Device::flex().autodiff();
    println!(
        "width {d}, batch {batch}, depth {depth}; milliseconds forward + backward (with the sum of the output)"
    );

    let leaf = |width: usize| random([batch, POSITIONS, width], 1.0, &device).require_grad();
    let block = Block::new(d, Precision::Single, &device);
    let half = Block::new(d, Precision::Half, &device);
    let (x, wide) = (leaf(d), leaf(4 * d));
    let split = |x: &Tensor<3>| {
        x.clone()
            .reshape([batch, POSITIONS, d / HEAD_DIM, HEAD_DIM])
            .swap_dims(1, 2)
    };
    compare("gelu", rounds, || gelu(wide.clone()));
    compare("layer_norm", rounds, || block.norm(0, x.clone()));
    compare("attention", rounds, || {
        attention(
            split(&x),
            split(&x),
            split(&x),
            &AttentionMask::None,
            Rounding::None,
        )
    });
    compare("lora_linear", rounds, || {
        block.adapted(0, &block.query, x.clone())
    });
    compare("linear d-d", rounds, || block.project(3, x.clone()));
    compare("linear d-4d", rounds, || block.project(4, x.clone()));
    compare("linear 4d-d", rounds, || block.project(5, wide.clone()));

    compare("bf16 lora", rounds, || {
        half.adapted(0, &half.query, x.clone())
    });
    compare("bf16 d-4d", rounds, || half.project(4, x.clone()));
    compare("bf16 4d-d", rounds, || half.project(5, wide.clone()));

    let head = random([d, 100], 0.02, &device).require_grad();
    let x = x.detach();
    let targets = Tensor::<1, Int>::arange(0..batch as i64, &device) % 100;
    for (name, precision) in [
        ("training step", Precision::Single),
        ("bf16 step", Precision::Half),
    ] {
        let blocks: Vec<Block> = (0..depth)
            .map(|_| Block::new(d, precision, &device))
            .collect();
        compare(name, rounds, || {
            let mut x = x.clone();
            for block in &blocks {
                x = block.forward(x);
            }
            let features = x.slice([0..batch, 0..1]).reshape([batch, d]);
            cross_entropy(linear(features, head.clone(), None), targets.clone(), None)
        });
    }
}
