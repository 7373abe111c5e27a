//! How continuations are chosen.

use serde::{Deserialize, Serialize};
use treelora_core::Error;

use super::score_rules::ScoreRules;

/// Settings of a generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GenerationConfig {
    /// Tokens after which a continuation ends.
    pub max_new_tokens: usize,
    /// Scores are divided by it before the draw; 0 takes the best token always.
    pub temperature: f64,
    /// Draw among this many best tokens; 0 for all.
    pub top_k: usize,
    /// Draw among the best tokens that together have this probability; 1 for all.
    pub top_p: f64,
    /// Tokens that end a continuation.
    pub stop_ids: Vec<u32>,
    /// What is changed about the scores before a token is chosen.
    pub rules: ScoreRules,
    /// Seed of the draws; every request has a stream of its own under it.
    pub seed: u64,
}

impl Default for GenerationConfig {
    /// Greedy, up to 128 tokens.
    fn default() -> Self {
        Self {
            max_new_tokens: 128,
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            stop_ids: Vec::new(),
            rules: ScoreRules::default(),
            seed: 0,
        }
    }
}

impl GenerationConfig {
    /// Check that all settings are in range.
    ///
    /// # Errors
    /// [`Error::Setting`] that names the first one out of range.
    pub fn validate(&self) -> Result<(), Error> {
        if self.max_new_tokens == 0 {
            return Err(Error::setting("max_new_tokens", "is 0, must be at least 1"));
        }
        let temperature = self.temperature;
        if !(temperature.is_finite() && temperature >= 0.0) {
            let problem = format!("is {temperature}, must be 0 or above");
            return Err(Error::setting("temperature", problem));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            let problem = format!("is {}, must be above 0 and at most 1", self.top_p);
            return Err(Error::setting("top_p", problem));
        }
        self.rules.validate()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_named() {
        GenerationConfig::default().validate().unwrap();
        let refused = |change: fn(&mut GenerationConfig), key: &str| {
            let mut config = GenerationConfig::default();
            change(&mut config);
            let error = config.validate().unwrap_err().to_string();
            assert!(error.contains(key), "`{key}` is not in: {error}");
        };
        refused(|config| config.max_new_tokens = 0, "max_new_tokens");
        refused(|config| config.temperature = -0.5, "temperature");
        refused(|config| config.temperature = f64::NAN, "temperature");
        refused(|config| config.top_p = 0.0, "top_p");
        refused(|config| config.top_p = f64::NAN, "top_p");
        let penalty = |config: &mut GenerationConfig| config.rules.repetition_penalty = -1.0;
        refused(penalty, "repetition_penalty");
    }
}
