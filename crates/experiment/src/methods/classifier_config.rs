//! The `[classifier]` table: what answers in the place of the head as it was trained.

use serde::{Deserialize, Serialize};
use treelora_class_incremental::{AlignmentConfig, DiscriminantConfig, TransportConfig};
use treelora_core::Error;

/// What answers in the place of the head as it was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ClassifierTable", into = "ClassifierTable")]
pub enum ClassifierConfig {
    /// A discriminant on the adapted features.
    Discriminant {
        /// Which discriminant.
        discriminant: DiscriminantConfig,
        /// How the statistics of earlier tasks follow the adapter; they stay when absent.
        transport: Option<TransportConfig>,
    },
    /// The head itself, re-balanced over all classes after each task.
    Aligned(AlignmentConfig),
}

impl ClassifierConfig {
    /// Whether statistics of earlier tasks follow the adapter, so that they belong to the newest
    /// feature space alone.
    pub fn has_transport(&self) -> bool {
        match self {
            Self::Discriminant { transport, .. } => transport.is_some(),
            Self::Aligned(alignment) => alignment.transport.is_some(),
        }
    }

    /// Check the settings.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key of this table.
    pub fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Discriminant {
                discriminant,
                transport,
            } => {
                discriminant
                    .validate()
                    .map_err(|e| e.within("discriminant"))?;
                match transport {
                    Some(transport) => transport.validate().map_err(|e| e.within("transport")),
                    None => Ok(()),
                }
            }
            Self::Aligned(alignment) => alignment.validate().map_err(|e| e.within("alignment")),
        }
    }
}

/// The table as it is written: one of the two, told apart by its key.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassifierTable {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    discriminant: Option<DiscriminantConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transport: Option<TransportConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alignment: Option<AlignmentConfig>,
}

impl TryFrom<ClassifierTable> for ClassifierConfig {
    type Error = &'static str;

    fn try_from(table: ClassifierTable) -> Result<Self, Self::Error> {
        match (table.discriminant, table.alignment, table.transport) {
            (Some(discriminant), None, transport) => Ok(Self::Discriminant {
                discriminant,
                transport,
            }),
            (None, Some(alignment), None) => Ok(Self::Aligned(alignment)),
            (None, Some(_), Some(_)) => {
                Err("key `transport` of an aligned head is `alignment.transport`")
            }
            (Some(_), Some(_), _) | (None, None, _) => {
                Err("one of the keys `discriminant` and `alignment` is needed")
            }
        }
    }
}

impl From<ClassifierConfig> for ClassifierTable {
    fn from(config: ClassifierConfig) -> Self {
        match config {
            ClassifierConfig::Discriminant {
                discriminant,
                transport,
            } => Self {
                discriminant: Some(discriminant),
                transport,
                ..Self::default()
            },
            ClassifierConfig::Aligned(alignment) => Self {
                alignment: Some(alignment),
                ..Self::default()
            },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_key_tells_which() {
        let read = |text: &str| toml::from_str::<ClassifierConfig>(text);
        let discriminant =
            read("discriminant = { kind = 'lda' }\ntransport = { kind = 'mean-shift' }");
        assert!(discriminant.unwrap().has_transport());
        let alignment = read("alignment = { head = { epochs = 3 } }").unwrap();
        assert!(matches!(&alignment, ClassifierConfig::Aligned(a) if a.head.epochs == 3));
        assert!(!alignment.has_transport());
        let text = toml::to_string(&alignment).unwrap();
        assert_eq!(read(&text).unwrap(), alignment);
        for (wrong, named) in [
            ("alignment = {}\ndiscriminant = { kind = 'lda' }", "one of"),
            ("transport = { kind = 'mean-shift' }", "one of"),
            (
                "alignment = {}\ntransport = { kind = 'mean-shift' }",
                "alignment.transport",
            ),
            ("alignment = { heads = 1 }", "heads"),
        ] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
