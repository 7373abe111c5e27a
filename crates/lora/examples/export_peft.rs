//! Adapters of fixed numbers as PEFT folders, for `xtask/golden/peft_folders.py` and `peft_timm.py` to load.
//!
//! ```text
//! cargo run -p treelora-lora --example export_peft -- DIR
//! ```
//!
//! `DIR/alpha` and `DIR/rslora` adapt two layers of a decoder, and `expected.safetensors` beside the adapter holds each
//! module's weight, an input and the output of [`linear`]. `DIR/timm` adapts a vision transformer whose query, key
//! and value are fused there; `deltas.safetensors` holds the dense update of each of our weights.

use std::{collections::BTreeMap, error::Error, fs, path::Path};

use burn::{
    module::{Module, Param},
    nn::Linear,
    tensor::{Device, Tensor, TensorData},
};
use safetensors::{Dtype, tensor::TensorView};
use treelora_lora::{
    AdapterLayer, AdapterSnapshot, Selection, attach_bank, linear,
    peft::{self, ModuleNames, PeftOptions},
};

const WIDTH: usize = 24;

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

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("a folder is needed")?;
    let folder = Path::new(&folder);
    decoder(&folder.join("alpha"), false)?;
    decoder(&folder.join("rslora"), true)?;
    vision_transformer(&folder.join("timm"))?;
    Ok(())
}

fn decoder(folder: &Path, use_rslora: bool) -> Result<(), Box<dyn Error>> {
    let layer = |i: usize| Layer {
        self_attn: Attention {
            q_proj: dense(10 + i, WIDTH),
            v_proj: dense(20 + i, WIDTH / 2),
        },
    };
    let base = Decoder {
        layers: vec![layer(0), layer(1)],
    };
    // Ranks and scales of all kinds: none is 1, none is the quotient of another's alpha.
    let adapter = AdapterSnapshot::from_layers(vec![
        update("layers.0.self_attn.q_proj", 3, WIDTH, 7.0 / 3.0),
        update("layers.0.self_attn.v_proj", 2, WIDTH / 2, 3.5),
        update("layers.1.self_attn.q_proj", 3, WIDTH, 0.3),
        update("layers.1.self_attn.v_proj", 5, WIDTH / 2, 1.7),
    ]);
    let options = PeftOptions {
        names: ModuleNames::causal_lm(),
        use_rslora,
        task_type: Some("CAUSAL_LM".into()),
        ..PeftOptions::default()
    };
    peft::save(folder, &adapter, &options)?;

    let model = attach_bank(base, &[adapter], Selection::One(0))?;
    let x = ramp([3, WIDTH], 5);
    let mut expected = BTreeMap::new();
    for (i, layer) in model.layers.iter().enumerate() {
        let attention = &layer.self_attn;
        for (name, layer) in [("q_proj", &attention.q_proj), ("v_proj", &attention.v_proj)] {
            let module = format!("model.layers.{i}.self_attn.{name}");
            expected.insert(format!("{module}.weight"), layer.weight.base().transpose());
            expected.insert(format!("{module}.x"), x.clone());
            expected.insert(format!("{module}.y"), linear(layer, x.clone()));
        }
    }
    write(&folder.join("expected.safetensors"), expected)
}

fn vision_transformer(folder: &Path) -> Result<(), Box<dyn Error>> {
    let adapter = AdapterSnapshot::from_layers(vec![
        // All three, of different ranks and scales.
        update("blocks.0.attention.q", 2, WIDTH, 1.5),
        update("blocks.0.attention.k", 3, WIDTH, 0.7),
        update("blocks.0.attention.v", 2, WIDTH, -1.1),
        update("blocks.0.attention.proj", 2, WIDTH, 1.5),
        update("blocks.0.mlp.fc1", 2, 4 * WIDTH, 1.5),
        // Query and value of equal scale: no value is rounded.
        update("blocks.1.attention.q", 4, WIDTH, 2.5),
        update("blocks.1.attention.v", 4, WIDTH, 2.5),
    ]);
    let options = PeftOptions {
        names: ModuleNames::timm_vit(),
        ..PeftOptions::default()
    };
    peft::save(folder, &adapter, &options)?;
    let delta = |layer: &AdapterLayer| {
        let delta = layer.a.clone().matmul(layer.b.clone()) * layer.scale;
        (layer.path.clone(), delta.transpose())
    };
    let deltas = adapter.layers().iter().map(delta).collect();
    write(&folder.join("deltas.safetensors"), deltas)
}

fn dense(seed: usize, d_out: usize) -> Linear {
    Linear {
        weight: Param::from_tensor(ramp([WIDTH, d_out], seed)),
        bias: None,
    }
}

fn update(layer: &str, rank: usize, d_out: usize, scale: f64) -> AdapterLayer {
    let seed = layer.bytes().map(usize::from).sum();
    AdapterLayer {
        path: format!("{layer}.weight"),
        a: ramp([WIDTH, rank], seed),
        b: ramp([rank, d_out], seed + 1),
        scale,
    }
}

/// Numbers without a pattern, exact in short floats.
fn ramp(shape: [usize; 2], seed: usize) -> Tensor<2> {
    let value = |i: usize| ((i * 37 + i * i * 11 + seed * 53) % 61) as f32 / 64.0 - 0.5;
    let values: Vec<f32> = (0..shape[0] * shape[1]).map(value).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::default())
}

fn write(path: &Path, tensors: BTreeMap<String, Tensor<2>>) -> Result<(), Box<dyn Error>> {
    let mut encoded = Vec::new();
    for (name, tensor) in tensors {
        let shape = tensor.dims().to_vec();
        let values = tensor.into_data().try_to_vec::<f32>()?;
        let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
        encoded.push((name, shape, bytes));
    }
    let views = encoded
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    fs::write(path, safetensors::serialize(views, None)?)?;
    Ok(())
}
