//! Rotary wavelengths, and how they are stretched for contexts longer than those of pre-training.

use std::f32::consts::TAU;

use treelora_core::Error;

/// How rotary wavelengths are stretched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// All by one factor, as if positions were that much closer. Source: Chen et al.,
    /// <https://arxiv.org/abs/2306.15595>.
    Linear {
        /// The factor.
        factor: f64,
    },
    /// Long wavelengths by a factor, short ones not, those between smoothly: LLaMA 3.1.
    Llama3 {
        /// The factor of long wavelengths.
        factor: f64,
        /// Wavelengths above the original context divided by this are long.
        low_freq_factor: f64,
        /// Wavelengths below the original context divided by this are short.
        high_freq_factor: f64,
        /// The context of pre-training, in positions.
        original_max_position_embeddings: usize,
    },
}

impl RopeScaling {
    /// The angle between neighbouring positions for each pair of features, in radians.
    ///
    /// `theta^(-2 i / head_dim)`, stretched; in `f32` throughout, as transformers computes it.
    pub fn angles(&self, theta: f64, head_dim: usize) -> Vec<f32> {
        (0..head_dim / 2)
            .map(|pair| {
                let exponent = (2 * pair) as f32 / head_dim as f32;
                self.stretch(1.0 / (theta as f32).powf(exponent))
            })
            .collect()
    }

    fn stretch(&self, angle: f32) -> f32 {
        match *self {
            Self::None => angle,
            Self::Linear { factor } => angle / factor as f32,
            Self::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            } => {
                let (factor, low, high) = (
                    factor as f32,
                    low_freq_factor as f32,
                    high_freq_factor as f32,
                );
                let context = original_max_position_embeddings as f32;
                let wavelength = TAU / angle;
                if wavelength < context / high {
                    angle
                } else if wavelength > context / low {
                    angle / factor
                } else {
                    let share = (context / wavelength - low) / (high - low);
                    (1.0 - share) * angle / factor + share * angle
                }
            }
        }
    }

    pub(super) fn validate(&self) -> Result<(), Error> {
        let positive = |key: &str, value: f64| match value.is_finite() && value > 0.0 {
            true => Ok(()),
            false => Err(Error::setting(
                format!("rope_scaling.{key}"),
                format!("is {value}, must be positive"),
            )),
        };
        match *self {
            Self::None => Ok(()),
            Self::Linear { factor } => positive("factor", factor),
            Self::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            } => {
                positive("factor", factor)?;
                positive("low_freq_factor", low_freq_factor)?;
                let context = original_max_position_embeddings as f64;
                positive("original_max_position_embeddings", context)?;
                if high_freq_factor.is_finite() && high_freq_factor > low_freq_factor {
                    return Ok(());
                }
                Err(Error::setting(
                    "rope_scaling.high_freq_factor",
                    format!(
                        "is {high_freq_factor}, must be above low_freq_factor = {low_freq_factor}"
                    ),
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama3_stretches_long_wavelengths_alone_and_joins_smoothly() {
        let scaling = RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: 8192,
        };
        let plain = RopeScaling::None.angles(500_000.0, 128);
        let stretched = scaling.angles(500_000.0, 128);
        assert_eq!(plain[0], 1.0);
        assert_eq!(stretched[0], 1.0);
        assert_eq!(stretched[63], plain[63] / 8.0);
        let shrinks = |pair: usize| stretched[pair] / plain[pair];
        assert!((1..64).all(|pair| shrinks(pair) <= shrinks(pair - 1) + 1e-6));
        assert!((1..64).any(|pair| (0.2..0.8).contains(&shrinks(pair))));
    }

    #[test]
    fn factors_out_of_range_are_named() {
        let error = RopeScaling::Linear { factor: 0.0 }.validate();
        assert!(error.is_err_and(|e| e.to_string().contains("rope_scaling.factor")));
        let scaling = RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 4.0,
            high_freq_factor: 1.0,
            original_max_position_embeddings: 8192,
        };
        let error = scaling.validate();
        assert!(error.is_err_and(|e| e.to_string().contains("high_freq_factor")));
    }
}
