//! A decoder on random tokens, all of which but the first are predicted.

use std::error::Error;

use burn::tensor::Device;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use treelora_models::decoder::{Decoder, DecoderConfig, TextBatch, TextExample};

use crate::{
    case::{Case, Precision, Prefix},
    parameters,
    training::Training,
};

/// Batches that take turns.
const BATCHES: usize = 2;

type Next = Box<dyn FnMut() -> TextBatch>;

/// The adapters learn.
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
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let lora = case.lora("layers", "_proj");
    let model = treelora_lora::attach(base(case, &mut rng, device)?, &lora, &mut rng)?;
    let model = match case.tied {
        // Its precision is that of every matrix already.
        true => model,
        false => parameters::with_base(model, case.precision, "lm_head"),
    };
    let batches = [(); BATCHES].map(|()| batch(case, &mut rng));
    let mut turn = 0;
    let next = move || {
        turn += 1;
        batches[turn % BATCHES].clone()
    };
    Ok(Training::new(model, Box::new(next), device))
}

fn base(case: &Case, rng: &mut impl Rng, device: &Device) -> Result<Decoder, Box<dyn Error>> {
    let config = DecoderConfig {
        num_key_value_heads: case.kv_heads,
        intermediate_size: case.mlp_width,
        tie_word_embeddings: case.tied,
        ..DecoderConfig::llama(case.outputs, case.width, case.depth, case.heads)
    };
    let precision = match (case.tied, case.precision) {
        (true, Precision::Bf16) => treelora_models::Precision::Bf16,
        _ => treelora_models::Precision::F32,
    };
    Ok(config.init_in(precision, rng, device)?)
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::training::Steps;

    fn case(precision: &str, adapted: &str) -> Case {
        let line = format!(
            r#"{{"model": "decoder", "width": 16, "depth": 2, "heads": 4, "kv_heads": 2, "mlp_width": 24, "outputs": 40,
            "tied": true, "adapted": {adapted}, "size": 6, "batch": 2, "first_adapted": 0, "prefix": "computed",
            "precision": "{precision}", "dropout": 0.1}}"#
        );
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn a_tied_model_with_shared_keys_learns_in_either_precision() {
        let device = Device::flex().autodiff();
        for precision in ["f32", "bf16"] {
            let case = case(precision, r#"["q", "k", "v", "o", "gate", "up"]"#);
            let mut training = training(&case, &device).unwrap();
            let losses = [(); 2].map(|()| training.step().1);
            // Near the logarithm of the vocabulary.
            let near = |loss: &f32| (loss - 40f32.ln()).abs() < 0.2;
            assert!(losses.iter().all(near), "{precision}: {losses:?}");
            // Of a block: q, o 16 x 16, k, v 16 x 8, three of 16 x 24 and two normalisations; embedding and the last
            // normalisation.
            let frozen = 2 * (2 * 256 + 2 * 128 + 3 * 384 + 2 * 16) + 40 * 16 + 16;
            let adapters = 2 * 8 * (2 * 32 + 2 * 24 + 2 * 40);
            assert_eq!(training.parameters(), [adapters, frozen + adapters]);
        }
    }

    #[test]
    fn only_named_projections_are_adapted() {
        let device = Device::flex().autodiff();
        let training = training(&case("f32", r#"["q", "v"]"#), &device).unwrap();
        assert_eq!(training.parameters()[0], 2 * 8 * (32 + 24));
        let unknown = case("f32", r#"["query"]"#);
        assert!(super::training(&unknown, &device).is_err());
    }
}
