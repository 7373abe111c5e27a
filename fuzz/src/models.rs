//! Models small enough that what describes them is as large as their numbers.

use burn::tensor::Device;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use treelora_models::{decoder::DecoderConfig, vit::VitConfig};

use crate::scratch::folder;

/// A vision transformer of one block.
pub(crate) fn vit_config() -> VitConfig {
    VitConfig {
        image_size: 8,
        patch_size: 4,
        width: 4,
        depth: 1,
        heads: 2,
        mlp_width: 8,
        classes: 3,
        ..VitConfig::tiny()
    }
}

/// Its weights in timm's names.
pub(crate) fn vit_weights() -> Vec<u8> {
    let folder = folder(&[]);
    let model = vit_config().init(&mut rng(), &Device::default());
    let model = model.expect("the configuration is valid");
    model
        .save(folder.path(), &[0.5; 3], &[0.5; 3])
        .expect("a temporary folder");
    std::fs::read(folder.path().join("model.safetensors")).expect("the weights were written")
}

/// `config.json` of a decoder of one layer.
pub(crate) fn decoder_config() -> Vec<u8> {
    let fields = json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 4,
        "intermediate_size": 6,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "vocab_size": 5,
        "max_position_embeddings": 8,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": false,
    });
    fields.to_string().into_bytes()
}

/// Its weights in transformers' names.
pub(crate) fn decoder_weights() -> Vec<u8> {
    let folder = folder(&[("config.json", &decoder_config())]);
    let config = DecoderConfig::load(folder.path()).expect("the configuration is valid");
    let model = config.init(&mut rng(), &Device::default());
    let model = model.expect("the configuration is valid");
    model.save(folder.path()).expect("a temporary folder");
    std::fs::read(folder.path().join("model.safetensors")).expect("the weights were written")
}

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(7)
}
