//! A decoder on random tokens, all of which but the first are predicted.

use std::error::Error;

use burn::tensor::Device;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use treelora_models::decoder::{Decoder, DecoderConfig, TextBatch, TextExample};

use crate::{
    case::{Case, Prefix},
    parameters,
    training::Training,
};

/// Batches that take turns.
const BATCHES: usize = 2;

type Next = Box<dyn FnMut() -> TextBatch>;

/// Adapters on query and value learn.
///
/// # Errors
/// When the case is not a decoder that can be adapted so.
pub(crate) fn training(
    case: &Case,
    device: &Device,
) -> Result<Training<Decoder, Next>, Box<dyn Error>> {
    if case.prefix == Prefix::Cached {
        return Err("decoders have no cached prefix".into());
    }
    let config = DecoderConfig {
        intermediate_size: case.mlp_width,
        tie_word_embeddings: false,
        ..DecoderConfig::llama(case.outputs, case.width, case.depth, case.heads)
    };
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let lora = case.lora("layers", "q_proj", "v_proj");
    let model = treelora_lora::attach(config.init(&mut rng, device)?, &lora, &mut rng)?;
    let model = parameters::with_base(model, case.precision, "lm_head");
    let batches = [(); BATCHES].map(|()| batch(case, &mut rng));
    let mut turn = 0;
    let next = move || {
        turn += 1;
        batches[turn % BATCHES].clone()
    };
    Ok(Training::new(model, Box::new(next), device))
}

fn batch(case: &Case, rng: &mut impl Rng) -> TextBatch {
    let mut example = || TextExample {
        ids: (0..case.size)
            .map(|_| rng.random_range(0..case.outputs as u32))
            .collect(),
        answer_start: 1,
    };
    TextBatch {
        examples: (0..case.batch).map(|_| example()).collect(),
    }
}
