//! Writing an adapter folder.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Serialize;
use treelora_tensor_file::write_atomically;

use super::{CONFIG_FILE, ModuleNames, TENSOR_FILE, config::divisor, fused, tensors};
use crate::{AdapterLayer, AdapterSnapshot, LoraError};

/// What an adapter folder says beside the adapter's values.
#[derive(Clone, Debug, Default)]
pub struct PeftOptions {
    /// Names of the modules.
    pub names: ModuleNames,
    /// Express scales as `alpha / sqrt(rank)` instead of `alpha / rank`.
    pub use_rslora: bool,
    /// Dropout that the adapter was trained with, in `[0, 1)`.
    pub lora_dropout: f64,
    /// One of PEFT's task types, such as `CAUSAL_LM`.
    pub task_type: Option<String>,
    /// The model that the adapter belongs to: a folder or a name on a hub.
    pub base_model_name_or_path: Option<String>,
}

/// PEFT refuses others.
const TASK_TYPES: [&str; 6] = [
    "CAUSAL_LM",
    "FEATURE_EXTRACTION",
    "QUESTION_ANS",
    "SEQ_2_SEQ_LM",
    "SEQ_CLS",
    "TOKEN_CLS",
];

/// Write an adapter folder, making it if need be: `adapter_config.json` and `adapter_model.safetensors`, in f32.
///
/// `r` and `lora_alpha` are the most frequent rank and alpha; the patterns name every other module. [`load`] with the
/// same names gives the factors back bit for bit, and the scale too when some alpha has it as its quotient, as each
/// scale that came from an alpha has (others come back within a unit in the last place). Layers that are one module
/// in the other model differ in this: where their scales differ the rest goes into B, and [`load`] leaves out
/// components whose B is zero.
///
/// While files are replaced the folder lacks its settings, so that what a crash leaves is not taken for an adapter.
///
/// [`load`]: super::load
///
/// # Errors
/// When an option is out of range, when a layer has no name in the other model or cannot join the layers it shares
/// one with, when a value is not finite, or when writing fails.
pub fn save(
    dir: &Path,
    snapshot: &AdapterSnapshot,
    options: &PeftOptions,
) -> Result<(), LoraError> {
    options.validate()?;
    let modules = fused::join(snapshot, &options.names)?;
    let settings = Settings::of(modules.layers(), options)?;
    let path = dir.join(CONFIG_FILE);
    let io = |source| LoraError::Io {
        path: path.clone(),
        source,
    };
    let mut text = serde_json::to_vec_pretty(&settings).map_err(|e| LoraError::Format {
        path: path.clone(),
        problem: e.to_string(),
    })?;
    text.push(b'\n');
    let encoded = tensors::encode(modules.layers(), &options.names)?;
    fs::create_dir_all(dir).map_err(io)?;
    if path.exists() {
        fs::remove_file(&path).map_err(io)?;
    }
    encoded.save(&dir.join(TENSOR_FILE))?;
    Ok(write_atomically(&path, &text)?)
}

impl PeftOptions {
    fn validate(&self) -> Result<(), LoraError> {
        if !(0.0..1.0).contains(&self.lora_dropout) {
            return Err(LoraError::Setting {
                key: "lora_dropout",
                problem: format!("{} is not in [0, 1)", self.lora_dropout),
            });
        }
        match self.task_type.as_deref() {
            Some(task) if !TASK_TYPES.contains(&task) => Err(LoraError::Setting {
                key: "task_type",
                problem: format!("`{task}` is none of {}", TASK_TYPES.join(", ")),
            }),
            _ => Ok(()),
        }
    }
}

/// The file, in the order of its keys.
#[derive(Serialize)]
struct Settings<'a> {
    alpha_pattern: BTreeMap<String, Number>,
    auto_mapping: (),
    base_model_name_or_path: Option<&'a str>,
    bias: &'static str,
    fan_in_fan_out: bool,
    inference_mode: bool,
    init_lora_weights: bool,
    layers_pattern: (),
    layers_to_transform: (),
    lora_alpha: Number,
    lora_dropout: f64,
    modules_to_save: (),
    peft_type: &'static str,
    r: usize,
    rank_pattern: BTreeMap<String, usize>,
    revision: (),
    target_modules: Vec<&'a str>,
    task_type: Option<&'a str>,
    use_dora: bool,
    use_rslora: bool,
}

impl<'a> Settings<'a> {
    fn of(modules: &'a [AdapterLayer], options: &'a PeftOptions) -> Result<Self, LoraError> {
        let ranks: Vec<usize> = modules.iter().map(|layer| layer.a.dims()[1]).collect();
        let alphas: Vec<f64> = modules
            .iter()
            .zip(&ranks)
            .map(|(layer, &rank)| alpha(layer, rank, options.use_rslora))
            .collect::<Result<_, _>>()?;
        let (Some(r), Some(lora_alpha)) = (most_frequent(&ranks), most_frequent(&alphas)) else {
            return Err(LoraError::NoAdapters);
        };
        let rank_pattern = exceptions(modules, &ranks, r);
        let alpha_pattern = exceptions(modules, &alphas, lora_alpha);
        let numbers = alpha_pattern.into_iter();
        Ok(Self {
            alpha_pattern: numbers.map(|(key, alpha)| (key, alpha.into())).collect(),
            auto_mapping: (),
            base_model_name_or_path: options.base_model_name_or_path.as_deref(),
            bias: "none",
            fan_in_fan_out: false,
            inference_mode: true,
            init_lora_weights: true,
            layers_pattern: (),
            layers_to_transform: (),
            lora_alpha: lora_alpha.into(),
            lora_dropout: options.lora_dropout,
            modules_to_save: (),
            peft_type: "LORA",
            r,
            rank_pattern,
            revision: (),
            target_modules: modules.iter().map(|layer| layer.path.as_str()).collect(),
            task_type: options.task_type.as_deref(),
            use_dora: false,
            use_rslora: options.use_rslora,
        })
    }
}

/// Whole numbers without a fraction, as PEFT's own files have them.
#[derive(Serialize)]
#[serde(untagged)]
enum Number {
    Whole(i64),
    Real(f64),
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        let whole = value as i64;
        match (whole as f64).to_bits() == value.to_bits() {
            true => Self::Whole(whole),
            false => Self::Real(value),
        }
    }
}

/// An alpha whose quotient is the layer's scale.
///
/// Rounding makes several have it, or none: the whole one if there is one, else the nearest.
fn alpha(layer: &AdapterLayer, rank: usize, use_rslora: bool) -> Result<f64, LoraError> {
    let divisor = divisor(rank, use_rslora);
    let product = layer.scale * divisor;
    if !product.is_finite() {
        let problem = format!("scale {} of rank {rank} gives no finite alpha", layer.scale);
        return Err(LoraError::layer(&layer.path, problem));
    }
    let candidates = [
        product.round(),
        product,
        product.next_up(),
        product.next_down(),
    ];
    let exact = |alpha: &f64| (alpha / divisor).to_bits() == layer.scale.to_bits();
    Ok(candidates.into_iter().find(exact).unwrap_or(product))
}

/// The first of the most frequent values.
fn most_frequent<V: Copy + PartialEq>(values: &[V]) -> Option<V> {
    let count = |value: &V| values.iter().filter(|other| *other == value).count();
    values
        .iter()
        .rev()
        .copied()
        .max_by_key(|value| count(value))
}

/// A pattern for each module with another value than `most`.
fn exceptions<V: Copy + PartialEq>(
    modules: &[AdapterLayer],
    values: &[V],
    most: V,
) -> BTreeMap<String, V> {
    let others = modules
        .iter()
        .zip(values)
        .filter(|(_, value)| **value != most);
    // Anchored: PEFT would match the end of a longer name too.
    let named = others.map(|(layer, value)| (format!("^{}", regex::escape(&layer.path)), *value));
    named.collect()
}
