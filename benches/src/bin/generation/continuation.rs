//! Greedy continuations of the same prompts, again and again.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use burn::{module::Module, tensor::Device};
use treelora_models::decoder::{Decoder, GenerationConfig, GenerationRequest};

use crate::case::Case;

/// A loaded model and its prompts.
pub(crate) struct Continuation {
    model: Decoder,
    requests: Vec<GenerationRequest>,
    config: GenerationConfig,
    /// What the last step gave, row by row.
    tokens: Vec<u32>,
}

impl Continuation {
    /// # Errors
    /// When the folder holds no decoder.
    pub(crate) fn new(case: Case, device: &Device) -> Result<Self, Box<dyn Error>> {
        let prompts = case.prompts.into_iter().enumerate();
        let requests = prompts.map(|(row, prompt)| GenerationRequest {
            prompt,
            stream: row as u64,
        });
        Ok(Self {
            model: Decoder::load_in(&case.model, case.precision, device)?,
            requests: requests.collect(),
            // No token ends a row.
            config: GenerationConfig {
                max_new_tokens: case.new_tokens,
                ..GenerationConfig::default()
            },
            tokens: Vec::new(),
        })
    }

    /// Continues all prompts: the time until the last token is known, and the number of new tokens.
    ///
    /// # Errors
    /// When a prompt does not fit the model, or a row ended early.
    pub(crate) fn step(&mut self) -> Result<(Duration, usize), Box<dyn Error>> {
        let start = Instant::now();
        let generations = self
            .model
            .generate(&self.requests, &self.config, |_, _| {})?;
        let time = start.elapsed();
        let rows = generations.into_iter();
        self.tokens = rows.flat_map(|generation| generation.ids).collect();
        let (count, meant) = (
            self.tokens.len(),
            self.requests.len() * self.config.max_new_tokens,
        );
        match count == meant {
            true => Ok((time, count)),
            false => Err(format!("{count} new tokens, {meant} were asked for").into()),
        }
    }

    /// The new tokens of the last step, row by row.
    pub(crate) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Of the model.
    pub(crate) fn parameters(&self) -> usize {
        self.model.num_params()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn a_model_of_random_weights_is_written_and_continues_its_prompts() {
        let folder = tempfile::tempdir().unwrap();
        let shape = r#"{"vocabulary": 40, "width": 16, "depth": 2, "heads": 4, "kv_heads": 2, "mlp_width": 24}"#;
        random::write(folder.path(), shape).unwrap();
        let device = Device::flex();
        for precision in ["f32", "bf16"] {
            let line = serde_json::json!({
                "model": folder.path(), "precision": precision, "prompts": [[3, 4, 5], [6, 7, 8]], "new_tokens": 5,
            });
            let case = || serde_json::from_value::<Case>(line.clone()).unwrap();
            let mut continuation = Continuation::new(case(), &device).unwrap();
            let block = 2 * 256 + 2 * 128 + 3 * 384 + 2 * 16;
            assert_eq!(continuation.parameters(), 2 * block + 40 * 16 + 16);
            assert_eq!(continuation.step().unwrap().1, 10);
            let first = continuation.tokens().to_vec();
            assert_eq!(continuation.step().unwrap().1, 10);
            assert_eq!(continuation.tokens(), first);
            let alone = Case {
                prompts: vec![vec![6, 7, 8]],
                ..case()
            };
            let mut alone = Continuation::new(alone, &device).unwrap();
            alone.step().unwrap();
            assert_eq!(alone.tokens(), &first[5..], "{precision}");
        }
    }

    #[test]
    fn a_context_that_is_full_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let shape = r#"{"vocabulary": 40, "width": 16, "depth": 1, "heads": 2, "kv_heads": 1, "mlp_width": 24}"#;
        random::write(folder.path(), shape).unwrap();
        let case = Case {
            model: folder.path().to_owned(),
            precision: treelora_models::Precision::F32,
            prompts: vec![vec![3; 2047]],
            new_tokens: 5,
        };
        let mut continuation = Continuation::new(case, &Device::flex()).unwrap();
        let error = continuation.step().unwrap_err().to_string();
        assert!(error.contains("2 new tokens, 5"), "{error}");
    }
}
