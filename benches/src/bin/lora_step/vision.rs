//! A vision transformer on random images.

use std::error::Error;

use burn::tensor::{Device, Distribution, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use treelora_core::Batch;
use treelora_lora::LoraConfig;
use treelora_models::{
    vision::VisionModel,
    vit::{ImageBatch, ImageInput, VisionTransformer, VitConfig},
};

use crate::{
    case::{Case, Prefix},
    parameters,
    training::Training,
};

const PATCH: usize = 16;

/// Batches that take turns.
const BATCHES: usize = 2;

type Next = Box<dyn FnMut() -> ImageBatch>;

/// Adapters on query and value, and the head, learn.
///
/// # Errors
/// When the case is not a vision transformer that can be adapted so.
pub(crate) fn training(
    case: &Case,
    device: &Device,
) -> Result<Training<VisionTransformer, Next>, Box<dyn Error>> {
    let config = VitConfig {
        image_size: case.size,
        patch_size: PATCH,
        width: case.width,
        depth: case.depth,
        heads: case.heads,
        mlp_width: case.mlp_width,
        classes: case.outputs,
        ..VitConfig::tiny()
    };
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let lora = LoraConfig {
        trainable: vec![r"^head\.".into()],
        ..case.lora("blocks", "")
    };
    let model = treelora_lora::attach(config.init(&mut rng, device)?, &lora, &mut rng)?;
    let model = parameters::with_base(model, case.precision, "head");
    let batches = (0..BATCHES).map(|_| batch(&model, case, device)).collect();
    let next = match case.prefix {
        Prefix::Computed => in_turns(batches),
        Prefix::Cached => gathered(ImageBatch::concat(batches)),
    };
    Ok(Training::new(model, next, device))
}

fn batch(model: &VisionTransformer, case: &Case, device: &Device) -> ImageBatch {
    let shape = [case.batch, 3, case.size, case.size];
    let images = Tensor::random(shape, Distribution::Normal(0.0, 1.0), device);
    let labels = (0..case.batch).map(|image| image % case.outputs).collect();
    let input = match case.prefix {
        Prefix::Computed => ImageInput::Images(images),
        Prefix::Cached => ImageInput::Hidden {
            block: case.first_adapted,
            tokens: model.frozen_prefix(images, case.first_adapted),
        },
    };
    ImageBatch::new(input, labels)
}

fn in_turns(batches: Vec<ImageBatch>) -> Next {
    let mut turn = 0;
    Box::new(move || {
        turn += 1;
        batches[turn % batches.len()].clone()
    })
}

/// Each batch gathered from the cache, image by image, as an epoch after the first does.
fn gathered(cache: ImageBatch) -> Next {
    let size = cache.len() / BATCHES;
    let mut turn = 0;
    Box::new(move || {
        turn += 1;
        let rows = (0..size).map(|image| image * BATCHES + turn % BATCHES);
        cache.select(&rows.collect::<Vec<_>>())
    })
}
