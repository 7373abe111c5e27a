//! Weights, adapters and what describes them.

use burn::tensor::Device;
use treelora_lora::{AdapterSnapshot, peft};
use treelora_models::{
    decoder::{Decoder, DecoderConfig},
    vit::{HeadSource, VisionTransformer},
};

use crate::{
    Format, Outcome, models, outcome,
    scratch::{folder, read, workspace},
};

const SHARDED: &str = "crates/models/tests/fixtures/decoder/sharded";
const PEFT: &str = "crates/lora/tests/fixtures/peft_patterns";
const INDEX: &str = "model.safetensors.index.json";

/// A vision transformer in timm's names.
pub const VIT_WEIGHTS: Format = Format {
    name: "vit_weights",
    file: "weights.safetensors",
    seeds: || vec![models::vit_weights()],
    parse: |bytes| {
        let folder = folder(&[("weights.safetensors", bytes)]);
        let path = folder.path().join("weights.safetensors");
        let device = Device::default();
        outcome(VisionTransformer::load(
            &models::vit_config(),
            &path,
            HeadSource::File,
            &device,
        ))
    },
};

/// A decoder in transformers' names.
pub const DECODER_WEIGHTS: Format = Format {
    name: "decoder_weights",
    file: "model.safetensors",
    seeds: || vec![models::decoder_weights()],
    parse: |bytes| {
        let config = models::decoder_config();
        decoder(&[("config.json", &config), ("model.safetensors", bytes)])
    },
};

/// Which shard holds which tensor.
pub const DECODER_INDEX: Format = Format {
    name: "decoder_index",
    // Of the index or of the shard that does not hold what the index says.
    file: "model",
    seeds: || vec![read(&format!("{SHARDED}/{INDEX}"))],
    parse: |bytes| {
        let mut files = vec![(INDEX.to_owned(), bytes.to_vec())];
        let entries = std::fs::read_dir(workspace(SHARDED)).expect("the fixture is there");
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != INDEX {
                files.push((name.clone(), read(&format!("{SHARDED}/{name}"))));
            }
        }
        let files: Vec<(&str, &[u8])> = files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
            .collect();
        decoder(&files)
    },
};

/// Shape and settings of a decoder.
pub const DECODER_CONFIG: Format = Format {
    name: "decoder_config",
    file: "config.json",
    seeds: || {
        let families = [
            "llama", "llama3", "mistral", "gemma", "gemma2", "gemma3", "qwen2", "qwen3", "phi3",
            "smollm3",
        ];
        let path = |family| format!("crates/models/tests/fixtures/decoder/{family}/config.json");
        families.map(|family| read(&path(family))).into()
    },
    parse: |bytes| {
        let folder = folder(&[("config.json", bytes)]);
        outcome(DecoderConfig::load(folder.path()))
    },
};

/// An adapter as runs keep it.
pub const ADAPTER: Format = Format {
    name: "adapter",
    file: "adapter.safetensors",
    seeds: || {
        let folder = folder(&[]);
        let path = folder.path().join("adapter.safetensors");
        let names = peft::ModuleNames::identity();
        let adapter = peft::load(&workspace(PEFT), &names, &Device::default());
        let saved = adapter.and_then(|adapter| adapter.save(&path));
        saved.expect("the fixture is an adapter");
        vec![std::fs::read(path).expect("the adapter was written")]
    },
    parse: |bytes| {
        let folder = folder(&[("adapter.safetensors", bytes)]);
        let path = folder.path().join("adapter.safetensors");
        outcome(AdapterSnapshot::load(&path, &Device::default()))
    },
};

/// The settings of a PEFT adapter.
pub const PEFT_CONFIG: Format = Format {
    name: "peft_config",
    file: "adapter_",
    seeds: || vec![read(&format!("{PEFT}/adapter_config.json"))],
    parse: |bytes| adapter(bytes, &read(&format!("{PEFT}/adapter_model.safetensors"))),
};

/// The tensors of a PEFT adapter.
pub const PEFT_WEIGHTS: Format = Format {
    name: "peft_weights",
    file: "adapter_model.safetensors",
    seeds: || vec![read(&format!("{PEFT}/adapter_model.safetensors"))],
    parse: |bytes| adapter(&read(&format!("{PEFT}/adapter_config.json")), bytes),
};

fn decoder(files: &[(&str, &[u8])]) -> Outcome {
    outcome(Decoder::load(folder(files).path(), &Device::default()))
}

fn adapter(config: &[u8], weights: &[u8]) -> Outcome {
    let folder = folder(&[
        ("adapter_config.json", config),
        ("adapter_model.safetensors", weights),
    ]);
    let names = peft::ModuleNames::identity();
    outcome(peft::load(folder.path(), &names, &Device::default()))
}
