//! A method by its name in a file, with its settings.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use treelora::{
    TreeLora, TreeLoraConfig,
    branches::{BranchLora, BranchLoraConfig},
};
use treelora_baselines::BaselineConfig;
use treelora_cl_bench::text::Demonstrations;
use treelora_class_incremental::{Aligned, DiscriminantPerAdapter, WithDiscriminant};
use treelora_core::{Classifier, Error, Method, MethodRow, TokenModel};
use treelora_lora::LoraConfig;

use crate::methods::{
    classifier_config::ClassifierConfig,
    frozen::Frozen,
    rows::{BRANCH_LORA, FIX, FROZEN, TREE_LORA, method_row},
};

/// Pattern of the parameters of a classification head.
const HEAD: &str = r"^head\.";

/// The `[method]` table of an experiment: `name`, and the settings of that method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum MethodConfig {
    /// TreeLoRA, in one of its modes.
    TreeLora(TreeLoraConfig),
    /// An adapter for each domain.
    BranchLora(BranchLoraConfig),
    /// A contender.
    Baseline(BaselineConfig),
    /// Nothing is trained; training examples stand in front of every test prompt (FIX).
    Fix(Demonstrations),
    /// Nothing is trained, and test prompts stand alone (zero-shot).
    Frozen,
}

impl MethodConfig {
    /// Name in files and tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::TreeLora(_) => TREE_LORA,
            Self::BranchLora(_) => BRANCH_LORA,
            Self::Baseline(config) => config.name(),
            Self::Fix(_) => FIX,
            Self::Frozen => FROZEN,
        }
    }

    /// The variant of a file that it came from, or the method's own name.
    pub fn label(&self, variant: &str) -> String {
        match variant.is_empty() {
            true => self.name().to_owned(),
            false => variant.to_owned(),
        }
    }

    /// Where the method puts adapters, if it does.
    pub fn lora(&self) -> Option<&LoraConfig> {
        match self {
            Self::TreeLora(config) => Some(&config.lora),
            Self::BranchLora(config) => Some(&config.lora),
            Self::Baseline(config) => Some(config.lora()),
            Self::Fix(_) | Self::Frozen => None,
        }
    }

    /// What the registry says of the method.
    pub fn row(&self) -> &'static MethodRow {
        method_row(self.name()).expect("every method has a row")
    }

    /// The same method, with the classification head trained beside the adapters where the settings
    /// say nothing of what else is trained: a frozen head over new classes could answer nothing.
    fn with_trained_head(self) -> Self {
        let trained = |lora: &LoraConfig| match lora.trainable.is_empty() {
            true => LoraConfig {
                trainable: vec![HEAD.into()],
                ..lora.clone()
            },
            false => lora.clone(),
        };
        match self {
            Self::Baseline(config) => {
                let lora = trained(config.lora());
                Self::Baseline(config.with_lora(lora))
            }
            Self::BranchLora(config) => Self::BranchLora(BranchLoraConfig {
                lora: trained(&config.lora),
                ..config
            }),
            // The presets name the head.
            other => other,
        }
    }

    /// The same method for a model without a classification head.
    pub(crate) fn without_trained_head(self) -> Self {
        let headless = |lora: &LoraConfig| {
            let mut lora = lora.clone();
            lora.trainable.retain(|pattern| pattern != HEAD);
            lora
        };
        match self {
            Self::TreeLora(config) => Self::TreeLora(TreeLoraConfig {
                lora: headless(&config.lora),
                ..config
            }),
            Self::BranchLora(config) => Self::BranchLora(BranchLoraConfig {
                lora: headless(&config.lora),
                ..config
            }),
            Self::Baseline(config) => {
                let lora = headless(config.lora());
                Self::Baseline(config.with_lora(lora))
            }
            untrained @ (Self::Fix(_) | Self::Frozen) => untrained,
        }
    }

    /// Examples in front of the test prompts, where the method puts some there.
    pub fn demonstrations(&self) -> Option<&Demonstrations> {
        match self {
            Self::Fix(demonstrations) => Some(demonstrations),
            Self::TreeLora(_) | Self::BranchLora(_) | Self::Baseline(_) | Self::Frozen => None,
        }
    }

    /// Check the settings.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key of this table.
    pub fn validate(&self) -> Result<(), Error> {
        match self {
            Self::TreeLora(config) => config.validate(),
            Self::BranchLora(config) => config.validate(),
            Self::Baseline(config) => config.validate(),
            Self::Fix(demonstrations) => demonstrations.validate(),
            Self::Frozen => Ok(()),
        }
    }

    /// The method for a stream of `classes` classes, with `seed` for everything random in it and,
    /// where asked for, a discriminant or an aligned head in the place of the head.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn build<M: Classifier + TokenModel>(
        &self,
        seed: u64,
        classes: usize,
        classifier: Option<&ClassifierConfig>,
    ) -> Result<Box<dyn Method<M>>, Error> {
        let method: Box<dyn Method<M>> = match self {
            Self::TreeLora(config) => {
                Box::new(TreeLora::new(config.clone(), seed).map_err(of_method)?)
            }
            Self::BranchLora(config) => {
                Box::new(BranchLora::new(config.clone(), seed).map_err(of_method)?)
            }
            Self::Baseline(config) => config.build(seed).map_err(of_method)?,
            Self::Fix(_) => {
                let problem = "`fix` puts examples in front of prompts: it is for text alone";
                return Err(Error::setting("method.name", problem));
            }
            Self::Frozen => {
                let problem = "`frozen` trains nothing, so no class of an image has a score: it is for text alone \
                               (the floors are what a frozen backbone does on images)";
                return Err(Error::setting("method.name", problem));
            }
        };
        Ok(match classifier {
            None => method,
            Some(ClassifierConfig::Discriminant {
                discriminant,
                transport,
                router: None,
            }) => Box::new(
                WithDiscriminant::new(method, discriminant, transport.clone(), classes)
                    .map_err(of_classifier)?,
            ),
            Some(ClassifierConfig::Discriminant {
                discriminant,
                transport,
                router: Some(router),
            }) => Box::new(
                DiscriminantPerAdapter::new(
                    method,
                    discriminant,
                    router,
                    transport.clone(),
                    classes,
                )
                .map_err(of_classifier)?,
            ),
            Some(ClassifierConfig::Aligned(alignment)) => {
                Box::new(Aligned::new(method, alignment, seed).map_err(of_classifier)?)
            }
        })
    }

    /// The method for a model without a classification head, with `seed` for everything
    /// random in it.
    ///
    /// # Errors
    /// When a setting is out of range, or the method is one for classifiers alone.
    pub fn build_headless<M: TokenModel>(&self, seed: u64) -> Result<Box<dyn Method<M>>, Error> {
        match self {
            Self::TreeLora(config) => Ok(Box::new(
                TreeLora::new(config.clone(), seed).map_err(of_method)?,
            )),
            Self::BranchLora(config) => Ok(Box::new(
                BranchLora::new(config.clone(), seed).map_err(of_method)?,
            )),
            Self::Baseline(config) => config.build_headless(seed).map_err(of_method),
            Self::Fix(_) | Self::Frozen => Ok(Box::new(Frozen)),
        }
    }
}

impl TryFrom<Value> for MethodConfig {
    type Error = String;

    fn try_from(mut table: Value) -> Result<Self, String> {
        match table.get("name").and_then(Value::as_str) {
            Some(TREE_LORA) => {
                if let Some(settings) = table.as_object_mut() {
                    settings.remove("name");
                }
                let config = TreeLoraConfig::try_from(table)?;
                Ok(Self::TreeLora(config))
            }
            Some(BRANCH_LORA) => {
                if let Some(settings) = table.as_object_mut() {
                    settings.remove("name");
                }
                let config = serde_json::from_value(table).map_err(|e| e.to_string())?;
                Ok(Self::BranchLora(config).with_trained_head())
            }
            Some(FIX) => {
                if let Some(settings) = table.as_object_mut() {
                    settings.remove("name");
                }
                let demonstrations = serde_json::from_value(table).map_err(|e| e.to_string())?;
                Ok(Self::Fix(demonstrations))
            }
            Some(FROZEN) => match table
                .as_object()
                .into_iter()
                .flatten()
                .find(|(key, _)| *key != "name")
            {
                None => Ok(Self::Frozen),
                Some((key, _)) => Err(format!("unknown field `{key}`, `{FROZEN}` has no settings")),
            },
            Some(name) if method_row(name).is_none() => Err(format!(
                "`{name}` is no method; `treelora list` shows the methods"
            )),
            Some(_) => serde_json::from_value(table)
                .map(|config| Self::Baseline(config).with_trained_head())
                .map_err(|e| e.to_string()),
            None => Err("key `name` is missing; `treelora list` shows the methods".into()),
        }
    }
}

impl From<MethodConfig> for Value {
    fn from(config: MethodConfig) -> Self {
        let settings = match &config {
            MethodConfig::TreeLora(settings) => serde_json::to_value(settings),
            MethodConfig::BranchLora(settings) => serde_json::to_value(settings),
            MethodConfig::Baseline(settings) => serde_json::to_value(settings),
            MethodConfig::Fix(settings) => serde_json::to_value(settings),
            MethodConfig::Frozen => Ok(Value::Object(serde_json::Map::new())),
        };
        let mut table = without_nulls(settings.expect("settings are plain values"));
        if let Some(table) = table.as_object_mut() {
            table.insert("name".into(), config.name().into());
        }
        table
    }
}

fn of_method(error: Error) -> Error {
    error.within("method")
}

fn of_classifier(error: Error) -> Error {
    error.within("classifier")
}

/// TOML has no null: what is absent is left out.
pub(crate) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(entries) => entries
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}
