//! The `[model]` table of an experiment on images: a family of models, the shape of one, and its weights.

use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use treelora_core::Error;
use treelora_models::{Precision, vision::VisionFamily};

/// The backbone: `family`, `weights` and `precision`, and beside them the keys of the family's shape.
///
/// ```
/// use treelora_experiment::ModelConfig;
///
/// let config: ModelConfig = toml::from_str("preset = 'tiny'\nimage_size = 32")?;
/// assert_eq!((config.family.name(), config.family.image_size()), ("vit", 32));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct ModelConfig {
    /// The family, vision transformers when the file says none, and the shape.
    pub family: VisionFamily,
    /// A weight file in the family's format; without it the model is pre-trained in the run.
    pub weights: Option<PathBuf>,
    /// Number format of the frozen blocks, `f32` or `bf16`, which halves their memory; adapters, head, normalisations
    /// and activations are `f32` in either. A model that is pre-trained in the run is pre-trained in `f32`.
    pub precision: Precision,
}

impl ModelConfig {
    /// Check what can be checked without weights.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        match &self.weights {
            Some(weights) if !self.family.has_files() => Err(Error::setting(
                "model.weights",
                format!(
                    "{}: a model of the family `{}` has no weight files, it is pre-trained in the run",
                    weights.display(),
                    self.family.name()
                ),
            )),
            _ => Ok(()),
        }
    }
}

impl TryFrom<Map<String, Value>> for ModelConfig {
    type Error = String;

    fn try_from(mut table: Map<String, Value>) -> Result<Self, String> {
        let family: Option<String> = taken(&mut table, "family")?;
        let weights = taken(&mut table, "weights")?;
        let precision: Option<Precision> = taken(&mut table, "precision")?;
        let family = family.as_deref().unwrap_or(VisionFamily::DEFAULT);
        Ok(Self {
            family: VisionFamily::read(family, table.into()).map_err(|problem| {
                format!(
                    "{problem} (a `{family}`; `family`, `weights` and `precision` are of every family)"
                )
            })?,
            weights,
            precision: precision.unwrap_or_default(),
        })
    }
}

/// The value of a key that is none of the shape's.
fn taken<T: serde::de::DeserializeOwned>(
    table: &mut Map<String, Value>,
    key: &str,
) -> Result<Option<T>, String> {
    let value = table.remove(key).map(serde_json::from_value);
    value.transpose().map_err(|e| format!("key `{key}`: {e}"))
}

impl Serialize for ModelConfig {
    /// Without the family where it is the default: files from before there were others stay as they are.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            family: Option<&'static str>,
            #[serde(flatten)]
            shape: &'a VisionFamily,
            #[serde(skip_serializing_if = "Option::is_none")]
            weights: Option<&'a PathBuf>,
            precision: Precision,
        }
        let family = self.family.name();
        let written = Written {
            family: (family != VisionFamily::DEFAULT).then_some(family),
            shape: &self.family,
            weights: self.weights.as_ref(),
            precision: self.precision,
        };
        written.serialize(serializer)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_vision_transformer_is_written_as_before_there_were_families() {
        let text = "preset = \"tiny\"\nimage_size = 16\npatch_size = 8\nwidth = 16\ndepth = 2\nheads = 2\n\
                    weights = \"file\"\nprecision = \"f32\"\n";
        let config: ModelConfig = toml::from_str(text).unwrap();
        assert_eq!(toml::to_string(&config).unwrap(), text);
        let named: ModelConfig = toml::from_str(&format!("family = \"vit\"\n{text}")).unwrap();
        assert_eq!(named, config);
    }

    #[test]
    fn every_family_reads_back_as_itself() {
        for family in VisionFamily::smallest() {
            let config = ModelConfig {
                family,
                weights: None,
                precision: Precision::Bf16,
            };
            let text = toml::to_string(&config).unwrap();
            assert_eq!(toml::from_str::<ModelConfig>(&text).unwrap(), config);
            let given = ModelConfig {
                weights: Some("file".into()),
                ..config
            };
            assert_eq!(given.validate().is_ok(), given.family.has_files());
        }
    }

    #[test]
    fn a_wrong_key_or_value_is_named() {
        for (text, words) in [
            ("preset = 'tiny'\ndept = 2", ["dept", "`depth`"]),
            ("preset = 'huge'", ["huge", "`tiny`"]),
            ("width = 8", ["preset", "`vit`"]),
            ("family = 'vat'\npreset = 'tiny'", ["vat", "vit"]),
            ("preset = 'tiny'\nprecision = 'f64'", ["precision", "f64"]),
        ] {
            let error = toml::from_str::<ModelConfig>(text).unwrap_err().to_string();
            for word in words {
                assert!(error.contains(word), "{word}: {error}");
            }
        }
    }
}
