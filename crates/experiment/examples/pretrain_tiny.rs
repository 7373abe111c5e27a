//! Two models from scratch and what they compute, for `xtask/golden/pretrained.py` to load.
//!
//! ```text
//! cargo run -p treelora-experiment --example pretrain_tiny -- DIR
//! ```
//!
//! `DIR/decoder` and `DIR/vit` are folders as `treelora pretrain` writes them; `expected.json` in each holds a text
//! with its ids and logits, and the logits of two images of all values 0.25 and -0.5.

use std::{error::Error, fs, path::Path};

use burn::tensor::{Device, Tensor};
use serde_json::json;
use treelora_cl_bench::text::Tokenizer;
use treelora_core::ContinualModel;
use treelora_experiment::{PretrainingFile, write_json};
use treelora_models::{
    decoder::{Decoder, TokenGrid},
    vit::{HeadSource, ImageBatch, VisionTransformer, VitConfig},
};

const TEXT: &str = r#"
modality = "text"
name = "tiny"
data = { files = ["story.txt"] }
tokenizer = { kind = "byte-pairs", vocabulary = 320 }
training = { steps = 30, batch_size = 4, learning_rate = 1e-2, held_out = 0.1, seed = 1 }

[model]
hidden_size = 48
num_hidden_layers = 2
num_attention_heads = 6
num_key_value_heads = 2
max_position_embeddings = 32
rope_theta = 500.0
"#;

const IMAGES: &str = r#"
name = "tiny"
data = { name = "procedural", classes = 4, train_per_class = 8, test_per_class = 2, image_size = 16 }
stream = { tasks = 1, class_order = { given = [2, 3] } }
model = { preset = "tiny", image_size = 16, patch_size = 8, width = 24, depth = 2, heads = 3 }
pretraining = { classes = [0, 1], epochs = 5, batch_size = 8, learning_rate = 5e-3, weight_decay = 0.01 }
training = { seed = 1 }
method = { name = "sequential-lora" }
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("a folder is needed")?;
    let folder = Path::new(&folder);
    decoder(folder)?;
    vision_transformer(&folder.join("vit"))?;
    Ok(())
}

fn decoder(folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let story = "Anna found 12 apples, and Björn found 34. 猫 sat between them.\n".repeat(30);
    fs::write(folder.join("story.txt"), story)?;
    let data = (
        "data.path".to_owned(),
        format!("'''{}'''", folder.display()),
    );
    let out = folder.join("decoder");
    pretrain(TEXT, &[data], &out)?;

    let text = "Björn found 12 apples between Anna.";
    let ids = Tokenizer::load(&out)?.encode_with_special(text)?;
    let model = Decoder::load(&out, &Device::default())?;
    let logits = model.forward(&TokenGrid::right_padded(&[&ids]));
    let expected = json!({ "text": text, "ids": ids, "logits": values(logits) });
    Ok(write_json(&out.join("expected.json"), &expected)?)
}

fn vision_transformer(out: &Path) -> Result<(), Box<dyn Error>> {
    pretrain(IMAGES, &[], out)?;
    let device = Device::default();
    let config = VitConfig {
        image_size: 16,
        patch_size: 8,
        width: 24,
        depth: 2,
        heads: 3,
        mlp_width: 96,
        classes: 2,
        ..VitConfig::tiny()
    };
    let weights = out.join("model.safetensors");
    let model = VisionTransformer::load(&config, &weights, HeadSource::File, &device)?;
    let image = |value| Tensor::full([1, 3, 16, 16], value, &device);
    let images = Tensor::cat(vec![image(0.25), image(-0.5)], 0);
    let logits = model.logits(&ImageBatch::of_images(images, vec![0, 1]));
    let expected = json!({ "logits": values(logits) });
    Ok(write_json(&out.join("expected.json"), &expected)?)
}

fn pretrain(text: &str, changes: &[(String, String)], out: &Path) -> Result<(), Box<dyn Error>> {
    let file = PretrainingFile::parse(text, "tiny.toml".as_ref(), changes)?;
    file.prepare()?.run(out, &Device::default(), &mut |_| ())?;
    Ok(())
}

/// All values, row by row.
fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
