//! LLaMA 3's stretched wavelengths, which a GGUF file has as a tensor of factors.

use treelora_core::{GgufError, GgufFile};

use crate::decoder::{DecoderConfig, RopeScaling};

/// The tensor: by what the angle of each pair of features is divided.
const FACTORS: &str = "rope_freqs.weight";
/// Largest relative difference of two factors that are the same but for rounding.
const TOLERANCE: f32 = 1e-4;

/// Give `config` the scaling that the factors of a file are of, if it has any.
///
/// # Errors
/// When no scaling of LLaMA 3 has such factors.
pub(super) fn apply(file: &GgufFile, config: &mut DecoderConfig) -> Result<(), GgufError> {
    let (Some(shape), Some(factors)) = (file.shape(FACTORS), file.values(FACTORS)) else {
        return Ok(());
    };
    let pairs = config.head_dim / 2;
    if shape != [pairs] {
        return Err(file.error(format!(
            "tensor `{FACTORS}` has shape {shape:?}, must be {:?}: one for two features of a head",
            [pairs]
        )));
    }
    if config.rope_scaling != RopeScaling::None {
        return Err(file.error(format!(
            "has both `{FACTORS}` and a linear scaling of positions"
        )));
    }
    config.rope_scaling =
        scaling(&factors, config.rope_theta, config.head_dim).ok_or_else(|| {
            file.error(format!(
                "tensor `{FACTORS}` has factors that no scaling of LLaMA 3 has: {factors:?}"
            ))
        })?;
    Ok(())
}

/// The scaling with these factors. All published models have the same two limits; the context of pre-training is a power
/// of two, that of the published ones first.
fn scaling(factors: &[f32], theta: f64, head_dim: usize) -> Option<RopeScaling> {
    let factor = factors.iter().copied().fold(1.0, f32::max);
    if factors.iter().all(|one| *one == 1.0) {
        return Some(RopeScaling::None);
    }
    let plain = RopeScaling::None.angles(theta, head_dim);
    let contexts = [13].into_iter().chain(5..=20).map(|power| 1 << power);
    let mut scalings = contexts.map(|context| RopeScaling::Llama3 {
        factor: factor.into(),
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: context,
    });
    scalings.find(|scaling| {
        let stretched = scaling.angles(theta, head_dim);
        let expected = plain.iter().zip(&stretched).map(|(a, b)| a / b);
        let close =
            |(expected, found): (f32, &f32)| (expected - found).abs() <= TOLERANCE * expected.abs();
        expected.zip(factors).all(close)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_of_a_scaling_give_the_scaling_and_others_none() {
        for (factor, context) in [(8.0, 8192), (32.0, 8192), (8.0, 2048)] {
            let scaling_of = RopeScaling::Llama3 {
                factor,
                low_freq_factor: 1.0,
                high_freq_factor: 4.0,
                original_max_position_embeddings: context,
            };
            let plain = RopeScaling::None.angles(5e5, 64);
            let stretched = scaling_of.angles(5e5, 64);
            let mut factors: Vec<f32> = plain.iter().zip(stretched).map(|(a, b)| a / b).collect();
            assert_eq!(scaling(&factors, 5e5, 64), Some(scaling_of));
            factors[1] = 1.5;
            assert_eq!(scaling(&factors, 5e5, 64), None);
            factors[1] = f32::NAN;
            assert_eq!(scaling(&factors, 5e5, 64), None);
        }
        assert_eq!(scaling(&[1.0; 32], 5e5, 64), Some(RopeScaling::None));
    }
}
