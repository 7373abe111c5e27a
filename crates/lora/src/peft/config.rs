//! `adapter_config.json`, as read.

use std::{collections::BTreeMap, fmt, marker::PhantomData, path::Path};

use regex::Regex;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;
use treelora_tensor_file::{TextFileError, read_json_text};

use crate::LoraError;

pub(super) const CONFIG_FILE: &str = "adapter_config.json";

/// The settings of an adapter folder that say what its tensors mean.
#[derive(Clone, Debug)]
pub struct PeftConfig {
    /// Rank of modules that no `rank_pattern` matches.
    pub r: usize,
    /// Alpha of modules that no `alpha_pattern` matches.
    pub lora_alpha: f64,
    /// Scale by `alpha / sqrt(rank)` instead of `alpha / rank`.
    pub use_rslora: bool,
    /// Dropout that the adapter was trained with.
    pub lora_dropout: f64,
    /// What the model is for, such as `CAUSAL_LM`.
    pub task_type: Option<String>,
    /// The model that the adapter belongs to.
    pub base_model_name_or_path: Option<String>,
    /// Modules that were trained as a whole, beside the adapter: their names, or the ends of those.
    pub modules_to_save: Vec<String>,
    /// Whether what is done to the embedding of a tied model is done to its head as well.
    pub ensure_weight_tying: bool,
    rank_pattern: Vec<(Regex, usize)>,
    alpha_pattern: Vec<(Regex, f64)>,
}

impl PeftConfig {
    /// Read `adapter_config.json` of an adapter folder.
    ///
    /// # Errors
    /// When the file is missing or damaged, or when a setting is not supported; it is named.
    pub fn load(dir: &Path) -> Result<Self, LoraError> {
        let path = dir.join(CONFIG_FILE);
        let file: File = read_json_text(&path).map_err(|error| match error {
            TextFileError::Io { path, source } => LoraError::Io { path, source },
            TextFileError::Content { path, problem } => LoraError::Format { path, problem },
        })?;
        file.checked()
            .map_err(|problem| LoraError::Format { path, problem })
    }

    /// Rank of a module.
    pub fn rank(&self, module: &str) -> usize {
        first_match(&self.rank_pattern, module).unwrap_or(self.r)
    }

    /// Whether a module was trained as a whole, or lies in one that was.
    pub fn saves(&self, module: &str) -> bool {
        let mut names = self.modules_to_save.iter();
        names.any(|name| lies_in(module, name))
    }

    /// Factor of a module's update.
    pub fn scale(&self, module: &str) -> f64 {
        let alpha = first_match(&self.alpha_pattern, module).unwrap_or(self.lora_alpha);
        alpha / divisor(self.rank(module), self.use_rslora)
    }
}

/// Whether `name` is one or several of the components of `module`.
pub(super) fn lies_in(module: &str, name: &str) -> bool {
    format!(".{module}.").contains(&format!(".{name}."))
}

/// What alpha is divided by.
pub(super) fn divisor(rank: usize, use_rslora: bool) -> f64 {
    match use_rslora {
        true => (rank as f64).sqrt(),
        false => rank as f64,
    }
}

/// PEFT takes the first pattern, in the order of the file, that the name of the module ends in.
fn first_match<V: Copy>(patterns: &[(Regex, V)], module: &str) -> Option<V> {
    let found = patterns.iter().find(|(regex, _)| regex.is_match(module));
    found.map(|(_, value)| *value)
}

/// The file; defaults are PEFT's.
#[derive(Deserialize)]
#[serde(default)]
struct File {
    peft_type: Option<String>,
    r: usize,
    lora_alpha: f64,
    use_rslora: bool,
    lora_dropout: f64,
    bias: String,
    init_lora_weights: Value,
    rank_pattern: Option<InOrder<usize>>,
    alpha_pattern: Option<InOrder<f64>>,
    task_type: Option<String>,
    base_model_name_or_path: Option<String>,
    modules_to_save: Option<Vec<String>>,
    ensure_weight_tying: Option<bool>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

impl Default for File {
    fn default() -> Self {
        Self {
            peft_type: None,
            r: 8,
            lora_alpha: 8.0,
            use_rslora: false,
            lora_dropout: 0.0,
            bias: "none".into(),
            init_lora_weights: Value::Bool(true),
            rank_pattern: None,
            alpha_pattern: None,
            task_type: None,
            base_model_name_or_path: None,
            modules_to_save: None,
            ensure_weight_tying: None,
            others: BTreeMap::new(),
        }
    }
}

/// Settings that don't change what the saved tensors compute: which modules were targeted, how training began, how
/// the weight of the base is stored (`fan_in_fan_out`: A and B are not transposed with it), where files come from.
const WITHOUT_INFLUENCE: [&str; 18] = [
    "auto_mapping",
    "corda_config",
    "eva_config",
    "exclude_modules",
    "fan_in_fan_out",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_ga_config",
    "megatron_config",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "target_modules",
    "velora_config",
];

/// Initialisations that leave the base as it is; others subtract the initial update from it.
const INITIALISATIONS: [&str; 3] = ["gaussian", "eva", "orthogonal"];

impl File {
    fn checked(self) -> Result<PeftConfig, String> {
        match self.peft_type.as_deref() {
            Some("LORA") => {}
            Some(other) => return Err(format!("`peft_type` is `{other}`; LORA is read")),
            None => return Err("no `peft_type`".into()),
        }
        if self.bias != "none" {
            let bias = self.bias;
            return Err(format!("`bias` is `{bias}`; adapters without it are read"));
        }
        let leaves_base = match &self.init_lora_weights {
            Value::Null | Value::Bool(_) => true,
            Value::String(name) => INITIALISATIONS.contains(&name.as_str()),
            _ => false,
        };
        if !leaves_base {
            let value = self.init_lora_weights;
            return Err(format!(
                "`init_lora_weights` is {value}, which changes the base too"
            ));
        }
        // Whatever PEFT may add: only what is switched off is safe to pass over.
        let unknown = self.others.iter().find(|(key, value)| {
            !WITHOUT_INFLUENCE.contains(&key.as_str()) && !is_switched_off(value)
        });
        if let Some((key, value)) = unknown {
            return Err(format!("`{key}` is {value}, which is not supported"));
        }
        let compile = |key: &str, pattern: &str| {
            Regex::new(&format!(r"^(?:.*\.)?(?:{pattern})$"))
                .map_err(|e| format!("`{key}`: `{pattern}` is not a regular expression: {e}"))
        };
        let ranks = self.rank_pattern.unwrap_or_default().0.into_iter();
        let alphas = self.alpha_pattern.unwrap_or_default().0.into_iter();
        Ok(PeftConfig {
            r: self.r,
            lora_alpha: self.lora_alpha,
            use_rslora: self.use_rslora,
            lora_dropout: self.lora_dropout,
            task_type: self.task_type,
            base_model_name_or_path: self.base_model_name_or_path,
            modules_to_save: self.modules_to_save.unwrap_or_default(),
            ensure_weight_tying: self.ensure_weight_tying.unwrap_or(false),
            rank_pattern: ranks
                .map(|(pattern, rank)| Ok((compile("rank_pattern", &pattern)?, rank)))
                .collect::<Result<_, String>>()?,
            alpha_pattern: alphas
                .map(|(pattern, alpha)| Ok((compile("alpha_pattern", &pattern)?, alpha)))
                .collect::<Result<_, String>>()?,
        })
    }
}

fn is_switched_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

/// The entries of an object in the order of the file, which decides between patterns.
struct InOrder<V>(Vec<(String, V)>);

impl<V> Default for InOrder<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for InOrder<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Entries<V> {
            type Value = InOrder<V>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of patterns")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InOrder<V>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(InOrder(entries))
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}
