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
        /// What finds the adapter of an example, from frozen features: each adapter then has a discriminant of its own.
        /// One discriminant on the newest adapter when absent.
        router: Option<DiscriminantConfig>,
    },
    /// The head itself, re-balanced over all classes after each task.
    Aligned(AlignmentConfig),
}

impl ClassifierConfig {
    /// What finds the adapter of an example.
    pub fn router(&self) -> Option<&DiscriminantConfig> {
        match self {
            Self::Discriminant { router, .. } => router.as_ref(),
            Self::Aligned(_) => None,
        }
    }

    /// Whether statistics of earlier tasks follow the adapter, so that they belong to the newest
    /// feature space alone.
    pub fn has_transport(&self) -> bool {
        match self {
            Self::Discriminant {
                transport, router, ..
            } => transport.is_some() && router.is_none(),
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
                router,
            } => {
                discriminant
                    .validate()
                    .map_err(|e| e.within("discriminant"))?;
                if let Some(router) = router {
                    router.validate().map_err(|e| e.within("router"))?;
                }
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
    router: Option<DiscriminantConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alignment: Option<AlignmentConfig>,
}

impl TryFrom<ClassifierTable> for ClassifierConfig {
    type Error = &'static str;

    fn try_from(table: ClassifierTable) -> Result<Self, Self::Error> {
        match (table.discriminant, table.alignment) {
            (Some(discriminant), None) => Ok(Self::Discriminant {
                discriminant,
                transport: table.transport,
                router: table.router,
            }),
            (None, Some(_)) if table.transport.is_some() => {
                Err("key `transport` of an aligned head is `alignment.transport`")
            }
            (None, Some(_)) if table.router.is_some() => Err(
                "an aligned head has no key `router`: `inference = \"routed\"` routes examples to its adapters",
            ),
            (None, Some(alignment)) => Ok(Self::Aligned(alignment)),
            (Some(_), Some(_)) | (None, None) => {
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
                router,
            } => Self {
                discriminant: Some(discriminant),
                transport,
                router,
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
        let text = "discriminant = { kind = 'lda' }\ntransport = { kind = 'mean-shift' }\nrouter = { kind = 'rda' }";
        let per_adapter = read(text).unwrap();
        assert!(!per_adapter.has_transport() && per_adapter.router().is_some());
        assert_eq!(
            read(&toml::to_string(&per_adapter).unwrap()).unwrap(),
            per_adapter
        );
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
            ("alignment = {}\nrouter = { kind = 'lda' }", "routed"),
            ("router = { kind = 'lda' }", "one of"),
            ("alignment = { heads = 1 }", "heads"),
        ] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
