//! How many tokens share a batch.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use treelora_cl_bench::text::TextBatching;
use treelora_core::Error;
use treelora_models::decoder::DecoderConfig;

/// What the activations of a batch may take with `token_budget = "auto"`.
const AUTO_BYTES: usize = 2 << 30;

/// Which examples share a batch: [`TextBatching`], whose budget may follow from the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchingConfig {
    /// Tokens of a batch with padding (examples times the longest), at most; a longer example is a batch of its own. A
    /// number, or `auto`: as many as keep 2 GiB of activations for the backward. That depends on the model's shape
    /// alone, so that a run has the same batches on every machine. Without a budget, batches are a shuffled order cut
    /// into equal parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_budget: Option<TokenBudget>,
}

/// The most tokens of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenBudget {
    /// From the shape of the model: `auto`.
    Auto,
    /// So many.
    Tokens(usize),
}

impl BatchingConfig {
    /// Check the budget.
    ///
    /// # Errors
    /// When it is 0.
    pub fn validate(&self) -> Result<(), Error> {
        match self.token_budget {
            Some(TokenBudget::Tokens(tokens)) => of_tokens(Some(tokens)).validate(),
            Some(TokenBudget::Auto) | None => Ok(()),
        }
    }

    /// For a model.
    pub(crate) fn of(self, model: &DecoderConfig) -> TextBatching {
        of_tokens(self.token_budget.map(|budget| match budget {
            TokenBudget::Tokens(tokens) => tokens,
            TokenBudget::Auto => (AUTO_BYTES / model.activation_bytes().max(1)).max(1),
        }))
    }
}

fn of_tokens(token_budget: Option<usize>) -> TextBatching {
    TextBatching { token_budget }
}

const AUTO: &str = "auto";

impl Serialize for TokenBudget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str(AUTO),
            Self::Tokens(tokens) => tokens.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for TokenBudget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a number of tokens or \"auto\"")]
        enum Either {
            Number(usize),
            Word(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Number(tokens) => Ok(Self::Tokens(tokens)),
            Either::Word(word) if word == AUTO => Ok(Self::Auto),
            Either::Word(word) => Err(D::Error::custom(format!(
                "`{word}` is neither a number of tokens nor `{AUTO}`"
            ))),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn budget(text: &str) -> Result<Option<usize>, String> {
        let config: BatchingConfig = toml::from_str(text).map_err(|e| e.to_string())?;
        assert_eq!(
            toml::from_str::<BatchingConfig>(&toml::to_string(&config).unwrap()).unwrap(),
            config
        );
        let smollm2 = DecoderConfig {
            num_key_value_heads: 3,
            intermediate_size: 1536,
            ..DecoderConfig::llama(49_152, 576, 30, 9)
        };
        config.validate().map_err(|e| e.to_string())?;
        Ok(config.of(&smollm2).token_budget)
    }

    #[test]
    fn a_number_is_taken_and_a_model_has_a_budget_of_its_own() {
        assert_eq!(budget("").unwrap(), None);
        assert_eq!(budget("token_budget = 90").unwrap(), Some(90));
        // 135 million parameters: 0.87 MB a token measured.
        let auto = budget("token_budget = \"auto\"").unwrap().unwrap();
        assert!((2200..2800).contains(&auto), "{auto}");
    }

    #[test]
    fn what_is_no_budget_is_named() {
        for (text, named) in [
            ("token_budget = 0", "0 is not above 0"),
            ("token_budget = \"all\"", "`all`"),
            ("token_budget = 1.5", "a number of tokens or \"auto\""),
        ] {
            let error = budget(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
