//! Settings, and what runs leave behind.

use std::path::Path;

use burn::{
    nn::{Linear, LinearConfig},
    optim::{AdamConfig, GradientsParams, ModuleOptimizer},
    tensor::{Device, Tensor},
};
use treelora_core::{load_optimizer, save_optimizer};
use treelora_experiment::{ExperimentConfig, PretrainingFile, RunFolder};

use crate::{
    Format, outcome,
    scratch::{folder, read},
};

/// An experiment.
pub const EXPERIMENT: Format = Format {
    name: "experiment",
    file: "experiment.toml",
    seeds: || {
        // The command line names the weights of all but the quickstart.
        let mut seeds = vec![read("configs/quickstart.toml")];
        for name in ["split-cifar100-vit-tiny", "trace-500-stories260k"] {
            let text = String::from_utf8(read(&format!("configs/{name}.toml")));
            let text = text.expect("TOML is UTF-8");
            seeds.push(
                text.replace("[model]", "[model]\nweights = 'w'")
                    .into_bytes(),
            );
        }
        seeds
    },
    parse: |bytes| {
        let text = String::from_utf8_lossy(bytes);
        outcome(ExperimentConfig::parse(
            &text,
            Path::new("experiment.toml"),
            None,
            &[],
        ))
    },
};

/// A pre-training.
pub const PRETRAINING: Format = Format {
    name: "pretraining",
    file: "pretraining.toml",
    seeds: || vec![read("configs/pretrain-text-small.toml")],
    parse: |bytes| {
        let text = String::from_utf8_lossy(bytes);
        outcome(PretrainingFile::parse(
            &text,
            Path::new("pretraining.toml"),
            &[],
        ))
    },
};

/// Where a run comes from.
pub const MANIFEST: Format = Format {
    name: "manifest",
    file: "manifest.json",
    seeds: || {
        vec![read(
            "docs/results/split-cifar100-vit-tiny/tree-lora-seed-1/manifest.json",
        )]
    },
    parse: |bytes| {
        let folder = folder(&[("manifest.json", bytes)]);
        outcome(RunFolder::open(folder.path()))
    },
};

/// The state of an optimiser.
pub const OPTIMIZER: Format = Format {
    name: "optimizer",
    file: "optimizer.bpk",
    seeds: || {
        let folder = folder(&[]);
        let path = folder.path().join("optimizer.bpk");
        let (model, mut optimizer) = (model(), adam());
        let input = Tensor::<2>::ones([1, 3], &model.weight.lazy_device());
        let gradients = model.forward(input).sum().backward();
        let gradients = GradientsParams::from_grads(gradients, &model);
        let _ = optimizer.step(0.1, model, gradients);
        save_optimizer(&optimizer, &path).expect("a temporary file");
        vec![std::fs::read(path).expect("the state was written")]
    },
    parse: |bytes| {
        let folder = folder(&[("optimizer.bpk", bytes)]);
        let path = folder.path().join("optimizer.bpk");
        outcome(load_optimizer(adam(), &model(), &path))
    },
};

fn adam() -> ModuleOptimizer {
    AdamConfig::new().init()
}

fn model() -> Linear {
    LinearConfig::new(3, 2).init(&Device::default().autodiff())
}
