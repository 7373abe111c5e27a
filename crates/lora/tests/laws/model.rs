//! A small model with numbered blocks, and adapters with a B that is not zero.

use burn::{
    module::{Module, ModuleVisitor, Param},
    nn::{Linear, LinearConfig},
    tensor::{Device, Distribution, Tensor, TensorData, activation::tanh},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use treelora_lora::{AdapterLayer, AdapterSnapshot, LoraConfig, attach, linear};

pub const WIDTH: usize = 6;
pub const CLASSES: usize = 3;

#[derive(Module, Debug)]
pub struct Block {
    pub query: Linear,
    pub value: Linear,
}

#[derive(Module, Debug)]
pub struct Model {
    pub blocks: Vec<Block>,
    pub head: Linear,
}

impl Model {
    pub fn new(blocks: usize, device: &Device) -> Self {
        let layer = || LinearConfig::new(WIDTH, WIDTH).init(device);
        let block = |_| Block {
            query: layer(),
            value: layer(),
        };
        let model = Self {
            blocks: (0..blocks).map(block).collect(),
            head: LinearConfig::new(WIDTH, CLASSES).init(device),
        };
        // Lazy weights would be drawn at first use, separately in each clone's context.
        let _ = model.forward::<2>(Tensor::zeros([1, WIDTH], device));
        model
    }

    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let x = self.blocks.iter().fold(x, |x, block| {
            tanh(linear(&block.query, x.clone())) + linear(&block.value, x)
        });
        linear(&self.head, x)
    }

    /// The forward through burn's own layers, which compose the dense weights.
    pub fn dense_forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let x = self.blocks.iter().fold(x, |x, block| {
            tanh(block.query.forward(x.clone())) + block.value.forward(x)
        });
        self.head.forward(x)
    }
}

pub fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Alpha is never the rank: a missing scale would not show.
pub fn config(rank: usize) -> LoraConfig {
    LoraConfig {
        target_modules: vec![r"\.(query|value)\.weight$".into()],
        trainable: vec!["^head".into()],
        ..LoraConfig::new(rank, 3.5 * rank as f64 + 1.0)
    }
}

/// A model with one adapter of random A and B.
pub fn adapted(blocks: usize, rank: usize, seed: u64, device: &Device) -> Model {
    let model = attach(Model::new(blocks, device), &config(rank), &mut rng(seed)).unwrap();
    random_snapshot(&AdapterSnapshot::of(&model), seed + 1)
        .apply(model)
        .unwrap()
}

/// Random values in the layers of `like`.
pub fn random_snapshot(like: &AdapterSnapshot, seed: u64) -> AdapterSnapshot {
    let mut rng = rng(seed);
    let mut random = |like: &Tensor<2>| random(like.dims(), &mut rng, &like.device());
    let layers = like.layers().iter().map(|layer| AdapterLayer {
        path: layer.path.clone(),
        a: random(&layer.a),
        b: random(&layer.b),
        scale: layer.scale,
    });
    AdapterSnapshot::from_layers(layers.collect())
}

/// Uniform between -0.5 and 0.5.
pub fn random(dims: [usize; 2], rng: &mut ChaCha8Rng, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = (0..dims[0] * dims[1])
        .map(|_| (rng.next_u32() >> 8) as f32 / (1u32 << 24) as f32 - 0.5)
        .collect();
    Tensor::from_data(TensorData::new(values, dims), device)
}

/// Paths of the parameters that require gradients.
pub fn trainable(model: &Model) -> Vec<String> {
    #[derive(Default)]
    struct Trainable {
        path: Vec<String>,
        found: Vec<String>,
    }
    impl ModuleVisitor for Trainable {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                self.found.push(self.path.join("."));
            }
        }
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.into());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }
    }
    let mut visitor = Trainable::default();
    model.visit(&mut visitor);
    visitor.found
}

pub fn input<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

pub fn bits(data: TensorData) -> Vec<u32> {
    data.try_to_vec::<f32>()
        .unwrap()
        .into_iter()
        .map(f32::to_bits)
        .collect()
}

/// Equal up to rounding, which grows with the largest of the numbers that are summed.
pub fn assert_close<const D: usize>(left: Tensor<D>, right: Tensor<D>) {
    assert_eq!(left.dims(), right.dims());
    let (left, right) = (left.into_data(), right.into_data());
    let (left, right) = (
        left.try_to_vec::<f32>().unwrap(),
        right.try_to_vec::<f32>().unwrap(),
    );
    let largest = left
        .iter()
        .fold(1.0, |largest: f32, l| largest.max(l.abs()));
    for (l, r) in left.iter().zip(&right) {
        assert!((l - r).abs() <= 1e-5 * largest, "{l} and {r}");
    }
}

/// Equal in every bit.
pub fn assert_same<const D: usize>(left: Tensor<D>, right: Tensor<D>) {
    assert_eq!(left.dims(), right.dims());
    assert_eq!(bits(left.into_data()), bits(right.into_data()));
}

pub fn differ<const D: usize>(left: Tensor<D>, right: Tensor<D>) -> bool {
    bits(left.into_data()) != bits(right.into_data())
}

pub fn assert_same_snapshot(left: &AdapterSnapshot, right: &AdapterSnapshot) {
    assert_eq!(left.layers().len(), right.layers().len());
    for (left, right) in left.layers().iter().zip(right.layers()) {
        assert_eq!(left.path, right.path);
        assert_eq!(left.scale.to_bits(), right.scale.to_bits());
        assert_same(left.a.clone(), right.a.clone());
        assert_same(left.b.clone(), right.b.clone());
    }
}
