//! Input dropout. A process of its own: the device's generator is shared by all threads.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

use burn::{
    module::Module,
    nn::{Linear, LinearConfig},
    tensor::{Device, Tensor},
};
use rand::SeedableRng;
use treelora_lora::{AdapterLayer, AdapterSnapshot, LoraConfig, attach, linear};

#[derive(Module, Debug)]
struct Model {
    layer: Linear,
}

#[test]
fn drops_in_training_only_keeps_the_expectation_and_follows_the_seed() {
    let device = Device::default().autodiff();
    let width = 8;
    let config = LoraConfig {
        dropout: 0.25,
        target_modules: vec!["layer".into()],
        ..LoraConfig::new(2, 5.0)
    };
    let model = Model {
        layer: LinearConfig::new(width, 4).init(&device),
    };
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    let model = attach(model, &config, &mut rng).unwrap();
    let start = AdapterSnapshot::of(&model);
    let layer = &start.layers()[0];
    let ones = AdapterLayer {
        b: layer.b.ones_like(),
        ..layer.clone()
    };
    let model = AdapterSnapshot::from_layers(vec![ones])
        .apply(model)
        .unwrap();

    let x = Tensor::<2>::ones([4096, width], &device);
    let full = linear(&model.valid().layer, x.clone().inner());
    let run = |seed| {
        device.seed(seed);
        linear(&model.layer, x.clone()).inner()
    };
    let dropped = run(1);
    assert_eq!(dropped.to_data(), run(1).to_data());
    assert_ne!(dropped.to_data(), run(2).to_data());
    assert_ne!(dropped.to_data(), full.to_data());
    assert_eq!(
        full.to_data(),
        linear(&model.valid().layer, x.clone().inner()).to_data()
    );
    let bias = (dropped.mean_dim(0) - full.clone().mean_dim(0))
        .abs()
        .max()
        .into_scalar::<f32>();
    assert!(bias < 0.1, "{bias}");

    let frozen = model.clone().no_grad();
    assert_eq!(linear(&frozen.layer, x).inner().to_data(), full.to_data());
}
