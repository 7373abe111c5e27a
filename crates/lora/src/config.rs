//! Where adapters go, their rank, scale and dropout.

use std::collections::BTreeMap;

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::error::LoraError;

/// Settings of an adapter, with the names of Hugging Face PEFT.
///
/// Patterns are regular expressions that are searched for in the path of a parameter, such as
/// `blocks.3.attention.query.weight`: `query` matches it anywhere, `^blocks\.3\.` at its start. Every pattern must
/// match a parameter, so that a typing error does not pass silently.
///
/// ```
/// use treelora_lora::LoraConfig;
///
/// let config = LoraConfig {
///     target_modules: vec![r"\.(query|value)\.weight$".into()],
///     trainable: vec![r"^head\.".into()],
///     ..LoraConfig::new(8, 16.0)
/// };
/// assert!(config.validate().is_ok());
/// assert!(LoraConfig { rank: 0, ..config }.validate().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoraConfig {
    /// Rank of the update (PEFT's `r`).
    pub rank: usize,
    /// Numerator of the scale (PEFT's `lora_alpha`).
    pub alpha: f64,
    /// Scale by `alpha / sqrt(rank)` instead of `alpha / rank`: <https://arxiv.org/abs/2312.03732>.
    pub use_rslora: bool,
    /// Probability that an input feature of an adapter is dropped in training, in `[0, 1)`.
    pub dropout: f64,
    /// Patterns of the weights that get an adapter; only matrices and the kernels of 2-D convolutions are considered.
    pub target_modules: Vec<String>,
    /// Other ranks by pattern.
    pub rank_pattern: BTreeMap<String, usize>,
    /// Other values of alpha by pattern.
    pub alpha_pattern: BTreeMap<String, f64>,
    /// Patterns of the parameters that stay trainable beside the adapters, such as the head.
    pub trainable: Vec<String>,
}

impl LoraConfig {
    /// Settings of this rank and alpha, without dropout and, as yet, without targets.
    pub fn new(rank: usize, alpha: f64) -> Self {
        Self {
            rank,
            alpha,
            use_rslora: false,
            dropout: 0.0,
            target_modules: Vec::new(),
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
            trainable: Vec::new(),
        }
    }

    /// Check the settings on their own; what depends on the model is checked by [`attach`](crate::attach).
    ///
    /// # Errors
    /// [`LoraError::Setting`] naming the key and the value.
    pub fn validate(&self) -> Result<(), LoraError> {
        self.compile().map(drop)
    }

    /// Whether a parameter of this path gets an adapter.
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub fn adapts(&self, path: &str) -> Result<bool, LoraError> {
        Ok(self.compile()?.targets.matches(path))
    }

    pub(crate) fn compile(&self) -> Result<CompiledPatterns, LoraError> {
        let check = |holds: bool, key: &'static str, problem: String| match holds {
            true => Ok(()),
            false => Err(LoraError::Setting { key, problem }),
        };
        let positive = |alpha: f64| alpha.is_finite() && alpha > 0.0;
        check(self.rank > 0, "rank", "0 leaves nothing to train".into())?;
        check(
            positive(self.alpha),
            "alpha",
            format!("{} is not above 0", self.alpha),
        )?;
        check(
            (0.0..1.0).contains(&self.dropout),
            "dropout",
            format!("{} is not in [0, 1)", self.dropout),
        )?;
        check(
            !self.target_modules.is_empty(),
            "target_modules",
            "no pattern given".into(),
        )?;
        for (pattern, &rank) in &self.rank_pattern {
            check(rank > 0, "rank_pattern", format!("rank 0 for `{pattern}`"))?;
        }
        for (pattern, &alpha) in &self.alpha_pattern {
            check(
                positive(alpha),
                "alpha_pattern",
                format!("{alpha} for `{pattern}` is not above 0"),
            )?;
        }
        Ok(CompiledPatterns {
            targets: Patterns::of("target_modules", &self.target_modules)?,
            trainable: Patterns::of("trainable", &self.trainable)?,
            ranks: Patterns::compile("rank_pattern", self.rank_pattern.clone())?,
            alphas: Patterns::compile("alpha_pattern", self.alpha_pattern.clone())?,
        })
    }

    /// `alpha / rank` or `alpha / sqrt(rank)`.
    pub(crate) fn scale(&self, rank: usize, alpha: f64) -> f64 {
        match self.use_rslora {
            true => alpha / (rank as f64).sqrt(),
            false => alpha / rank as f64,
        }
    }
}

impl Default for LoraConfig {
    /// PEFT's defaults: rank 8, alpha 8.
    fn default() -> Self {
        Self::new(8, 8.0)
    }
}

/// The patterns of a [`LoraConfig`].
pub(crate) struct CompiledPatterns {
    pub(crate) targets: Patterns<()>,
    pub(crate) trainable: Patterns<()>,
    pub(crate) ranks: Patterns<usize>,
    pub(crate) alphas: Patterns<f64>,
}

/// Patterns of one setting, each with a value.
pub(crate) struct Patterns<V> {
    key: &'static str,
    patterns: Vec<(Regex, V)>,
}

impl Patterns<()> {
    /// Patterns without values.
    pub(crate) fn of(key: &'static str, patterns: &[String]) -> Result<Self, LoraError> {
        Self::compile(key, patterns.iter().map(|pattern| (pattern.clone(), ())))
    }
}

impl<V: Copy + PartialEq> Patterns<V> {
    fn compile(
        key: &'static str,
        patterns: impl IntoIterator<Item = (String, V)>,
    ) -> Result<Self, LoraError> {
        let compiled = patterns.into_iter().map(|(pattern, value)| {
            Regex::new(&pattern)
                .map(|regex| (regex, value))
                .map_err(|source| LoraError::Setting {
                    key,
                    problem: format!("`{pattern}` is not a regular expression: {source}"),
                })
        });
        Ok(Self {
            key,
            patterns: compiled.collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        self.patterns.iter().any(|(regex, _)| regex.is_match(path))
    }

    /// The value for `path`.
    ///
    /// # Errors
    /// When two patterns give it different values.
    pub(crate) fn value(&self, path: &str) -> Result<Option<V>, LoraError> {
        let mut matching = self
            .patterns
            .iter()
            .filter(|(regex, _)| regex.is_match(path));
        let Some((first, value)) = matching.next() else {
            return Ok(None);
        };
        match matching.find(|(_, other)| other != value) {
            None => Ok(Some(*value)),
            Some((second, _)) => Err(LoraError::Ambiguous {
                key: self.key,
                path: path.to_owned(),
                first: first.to_string(),
                second: second.to_string(),
            }),
        }
    }

    /// # Errors
    /// When a pattern matches none of `paths`.
    pub(crate) fn check_each_matches(&self, paths: &[String]) -> Result<(), LoraError> {
        let unmatched = self
            .patterns
            .iter()
            .find(|(regex, _)| !paths.iter().any(|path| regex.is_match(path)));
        match unmatched {
            None => Ok(()),
            Some((regex, _)) => Err(LoraError::NoMatch {
                key: self.key,
                pattern: regex.to_string(),
                available: paths.to_vec(),
            }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn valid() -> LoraConfig {
        LoraConfig {
            target_modules: vec!["query".into()],
            ..LoraConfig::new(4, 8.0)
        }
    }

    type Spoil = fn(&mut LoraConfig);

    #[test]
    fn settings_out_of_range_name_their_key_and_value() {
        let cases: [(&str, &str, Spoil); 9] = [
            ("rank", "0", |c| c.rank = 0),
            ("alpha", "-1", |c| c.alpha = -1.0),
            ("dropout", "1", |c| c.dropout = 1.0),
            ("dropout", "NaN", |c| c.dropout = f64::NAN),
            ("target_modules", "no pattern", |c| c.target_modules.clear()),
            ("target_modules", "(query", |c| {
                c.target_modules = vec!["(query".into()]
            }),
            ("trainable", "[", |c| c.trainable = vec!["[".into()]),
            ("rank_pattern", "query", |c| {
                c.rank_pattern = [("query".into(), 0)].into()
            }),
            ("alpha_pattern", "-2", |c| {
                c.alpha_pattern = [("q".into(), -2.0)].into()
            }),
        ];
        for (key, value, spoil) in cases {
            let mut config = valid();
            spoil(&mut config);
            let error = config.validate().unwrap_err().to_string();
            assert!(
                error.contains(&format!("`{key}`")) && error.contains(value),
                "{error}"
            );
        }
    }

    #[test]
    fn scale_follows_alpha_and_rank() {
        let config = valid();
        assert_eq!(config.scale(4, 8.0), 2.0);
        assert_eq!(
            LoraConfig {
                use_rslora: true,
                ..config
            }
            .scale(4, 8.0),
            4.0
        );
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = serde_json::from_str::<LoraConfig>(r#"{ "ranks": 4 }"#).unwrap_err();
        assert!(error.to_string().contains("ranks"), "{error}");
        let read: LoraConfig = serde_json::from_str(r#"{ "rank": 4 }"#).unwrap();
        assert_eq!(read, LoraConfig::new(4, 8.0));
    }
}
