//! Parity with Hugging Face PEFT: the fixtures come from `cargo xtask golden` (xtask/golden/peft_folders.py).
#![allow(clippy::unwrap_used, missing_docs)]

use std::{collections::BTreeMap, fs, path::PathBuf};

use burn::{
    module::{Module, Param},
    nn::Linear,
    tensor::{Device, Tensor, TensorData},
};
use safetensors::SafeTensors;
use treelora_lora::{
    AdapterSnapshot, Selection, attach_bank, linear,
    peft::{self, ModuleNames, PeftOptions},
};

/// Largest difference that counts as the same output in `f32`.
const TOLERANCE: f32 = 1e-4;

#[derive(Module, Debug)]
struct Attention {
    q_proj: Linear,
    v_proj: Linear,
}

#[derive(Module, Debug)]
struct Layer {
    self_attn: Attention,
}

#[derive(Module, Debug)]
struct Decoder {
    layers: Vec<Layer>,
}

impl Decoder {
    /// The weights of `expected`; zeros where PEFT adapted nothing.
    fn of(expected: &BTreeMap<String, Tensor<2>>, device: &Device) -> Self {
        let linear = |i: usize, name: &str, d_out: usize| {
            let stored = expected.get(&format!("{}.weight", module(i, name)));
            let zeros = || Tensor::zeros([24, d_out], device);
            let weight = stored.map_or_else(zeros, |weight| weight.clone().transpose());
            Linear {
                weight: Param::from_tensor(weight),
                bias: None,
            }
        };
        let layer = |i| Layer {
            self_attn: Attention {
                q_proj: linear(i, "q_proj", 24),
                v_proj: linear(i, "v_proj", 12),
            },
        };
        Self {
            layers: vec![layer(0), layer(1)],
        }
    }
}

fn module(layer: usize, name: &str) -> String {
    format!("model.layers.{layer}.self_attn.{name}")
}

fn folder(case: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/peft_{case}"))
}

fn tensors(case: &str, device: &Device) -> BTreeMap<String, Tensor<2>> {
    let bytes = fs::read(folder(case).join("expected.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let read = |(name, view): (&str, safetensors::tensor::TensorView)| {
        let shape: [usize; 2] = view.shape().try_into().unwrap();
        let words = view.data().chunks_exact(4);
        let values: Vec<f32> = words
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect();
        let data = TensorData::new(values, shape);
        (name.to_owned(), Tensor::from_data(data, device))
    };
    file.iter().map(read).collect()
}

/// Outputs of the adapted layers are PEFT's; returns how many there are.
fn compare(adapter: AdapterSnapshot, expected: &BTreeMap<String, Tensor<2>>) -> usize {
    let device = Device::default();
    let base = Decoder::of(expected, &device);
    let model = attach_bank(base, &[adapter], Selection::One(0)).unwrap();
    let mut compared = 0;
    for (i, layer) in model.layers.iter().enumerate() {
        let attention = &layer.self_attn;
        for (name, layer) in [("q_proj", &attention.q_proj), ("v_proj", &attention.v_proj)] {
            let module = module(i, name);
            let Some(y) = expected.get(&format!("{module}.y")) else {
                continue;
            };
            let x = expected[&format!("{module}.x")].clone();
            let plain: f32 = (linear_without_adapter(layer, x.clone()) - y.clone())
                .abs()
                .max()
                .into_scalar();
            assert!(plain > 0.1, "{module}: the adapter does nothing");
            let difference: f32 = (linear(layer, x) - y.clone()).abs().max().into_scalar();
            assert!(difference <= TOLERANCE, "{module} differs by {difference}");
            compared += 1;
        }
    }
    compared
}

fn linear_without_adapter(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    x.matmul(layer.weight.base())
}

fn check(case: &str, modules: usize, use_rslora: bool) {
    let (device, names) = (Device::default(), ModuleNames::causal_lm());
    let expected = tensors(case, &device);
    let adapter = peft::load(&folder(case), &names, &device).unwrap();
    assert_eq!(adapter.layers().len(), modules);
    assert_eq!(compare(adapter.clone(), &expected), modules);

    // Written by us with the other kind of scale, it is still the same adapter.
    let dir = tempfile::tempdir().unwrap();
    let options = PeftOptions {
        names: names.clone(),
        use_rslora: !use_rslora,
        ..PeftOptions::default()
    };
    peft::save(dir.path(), &adapter, &options).unwrap();
    let again = peft::load(dir.path(), &names, &device).unwrap();
    assert_eq!(compare(again, &expected), modules);
}

#[test]
fn ranks_and_alphas_by_pattern() {
    check("patterns", 4, false);
}

#[test]
fn rank_stabilised_scales() {
    check("rslora", 4, true);
}

#[test]
fn short_floats() {
    check("bf16", 2, false);
}
