//! A small model of numbered blocks, as transformers have them.

use burn::{
    module::Module,
    nn::{Linear, LinearConfig},
    tensor::{Device, Tensor, activation::tanh},
};
use treelora_lora::{AdapterSnapshot, LoraConfig, attach, linear};

use crate::{random::rng, snapshots::random_snapshot};

/// Width of every block.
pub const WIDTH: usize = 6;

/// Outputs of the head.
pub const CLASSES: usize = 3;

/// `tanh(query(x)) + value(x)`.
#[derive(Module, Debug)]
pub struct Block {
    /// `[WIDTH, WIDTH]` with bias.
    pub query: Linear,
    /// `[WIDTH, WIDTH]` with bias.
    pub value: Linear,
}

/// Blocks and a head; every matrix takes adapters.
#[derive(Module, Debug)]
pub struct Model {
    /// In order.
    pub blocks: Vec<Block>,
    /// `[WIDTH, CLASSES]` with bias.
    pub head: Linear,
}

impl Model {
    /// Weights from the generator of the device.
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

    /// The forward with adapters in factored form.
    ///
    /// # Shapes
    /// `[.., WIDTH]` -> `[.., CLASSES]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let x = self.blocks.iter().fold(x, |x, block| {
            tanh(linear(&block.query, x.clone())) + linear(&block.value, x)
        });
        linear(&self.head, x)
    }

    /// The forward through burn's own layers, which compose the dense weights.
    ///
    /// # Shapes
    /// `[.., WIDTH]` -> `[.., CLASSES]`.
    pub fn dense_forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let x = self.blocks.iter().fold(x, |x, block| {
            tanh(block.query.forward(x.clone())) + block.value.forward(x)
        });
        self.head.forward(x)
    }
}

/// Adapters on every block and a trained head. Alpha is never the rank: a missing scale would not show.
pub fn config(rank: usize) -> LoraConfig {
    LoraConfig {
        target_modules: vec![r"\.(query|value)\.weight$".into()],
        trainable: vec!["^head".into()],
        ..LoraConfig::new(rank, 3.5 * rank as f64 + 1.0)
    }
}

/// A model with one adapter of random A and B.
///
/// # Panics
/// When the rank does not fit the model.
pub fn adapted(blocks: usize, rank: usize, seed: u64, device: &Device) -> Model {
    let model = attach(Model::new(blocks, device), &config(rank), &mut rng(seed));
    let model = model.expect("adapters on every block");
    let random = random_snapshot(&AdapterSnapshot::of(&model), seed + 1);
    random.apply(model).expect("the adapters' own shapes")
}
