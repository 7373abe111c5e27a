//! Adapter folders of Hugging Face PEFT, both ways.
//!
//! A folder is `adapter_config.json` and `adapter_model.safetensors`. The tensors of module `m` are
//! `base_model.model.m.lora_A.weight [rank, d_in]` and `base_model.model.m.lora_B.weight [d_out, rank]`, the transposes
//! of [`AdapterLayer`]'s factors; the scale `alpha / rank` or, with `use_rslora`, `alpha / sqrt(rank)` is in the
//! settings, where `rank_pattern` and `alpha_pattern` override `r` and `lora_alpha` for modules of matching names.
//!
//! | what | where |
//! |---|---|
//! | write a folder | [`save`], [`PeftOptions`] |
//! | read a folder | [`load`]; its settings alone: [`PeftConfig`] |
//! | read a folder that holds weights of the model too | [`load_with_copies`], [`with_copies`] |
//! | our parameter paths and the modules of the other model | [`ModuleNames`] |
//!
//! What would change the function that the adapter computes and is not understood is an error, never skipped: DoRA,
//! biases, adapters of convolutions, variants of LoRA that PEFT adds. Weights of the model itself (`modules_to_save`,
//! copies of embeddings and heads) are for [`load_with_copies`]; [`load`] refuses them.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use treelora_lora::{AdapterLayer, AdapterSnapshot, peft};
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let device = Device::flex();
//! let adapter = AdapterSnapshot::from_layers(vec![AdapterLayer {
//!     path: "layers.0.self_attn.q_proj.weight".into(),
//!     a: Tensor::ones([8, 2], &device),
//!     b: Tensor::ones([2, 8], &device),
//!     scale: 1.5,
//! }]);
//!
//! // For `PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(..), dir)`.
//! let names = peft::ModuleNames::causal_lm();
//! peft::save(dir, &adapter, &peft::PeftOptions {
//!     names: names.clone(),
//!     task_type: Some("CAUSAL_LM".into()),
//!     ..Default::default()
//! })?;
//! let read = peft::load(dir, &names, &device)?;
//! assert_eq!(read.layers()[0].path, "layers.0.self_attn.q_proj.weight");
//! assert_eq!(read.layers()[0].scale, 1.5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod names;

mod config;

mod copies;

mod export;

mod fused;

mod tensors;

use std::path::Path;

use burn::tensor::Device;
use treelora_tensor_file::{FileKind, other_weights};

use crate::{AdapterLayer, AdapterSnapshot, LoraError};

use config::CONFIG_FILE;
pub use config::PeftConfig;
pub use copies::{WeightCopy, with_copies};
pub use export::{PeftOptions, save};
pub use names::ModuleNames;

const TENSOR_FILE: &str = "adapter_model.safetensors";

/// What an adapter folder holds.
#[derive(Clone, Debug)]
pub struct PeftFolder {
    /// Its settings.
    pub config: PeftConfig,
    /// The adapter.
    pub adapter: AdapterSnapshot,
    /// Weights of the model itself.
    pub copies: Vec<WeightCopy>,
}

/// Read an adapter folder onto `device`. Tensors may be F64, F32, F16 or BF16; the snapshot is `f32`.
///
/// A module that `names` takes for several of our layers is split: each gets its columns of B and the components of
/// A that they use, so the sum of the updates is exactly the module's.
///
/// # Errors
/// When a file is missing or damaged; when a setting or tensor is not understood; when an A has no B, shapes or ranks
/// disagree, or a value is not finite; when a module has no place in `names`; when the folder holds weights of the model
/// itself.
pub fn load(
    dir: &Path,
    names: &ModuleNames,
    device: &Device,
) -> Result<AdapterSnapshot, LoraError> {
    let folder = load_with_copies(dir, names, device)?;
    match folder.copies.first() {
        None => Ok(folder.adapter),
        Some(copy) => Err(LoraError::Format {
            path: dir.join(TENSOR_FILE),
            problem: format!(
                "tensor `{}` is no part of an adapter but a weight of the model",
                copy.tensor
            ),
        }),
    }
}

/// As [`load`], with the weights of the model itself that the folder holds beside the adapter.
///
/// # Errors
/// As [`load`], but for those weights; and when the settings name a module that was trained as a whole, and the file
/// has no weights of it.
pub fn load_with_copies(
    dir: &Path,
    names: &ModuleNames,
    device: &Device,
) -> Result<PeftFolder, LoraError> {
    if dir.is_file() {
        let kind = FileKind::at(dir).ok().flatten();
        let kind = kind.map_or_else(String::new, |kind| format!("; it is {kind}"));
        return Err(LoraError::Format {
            path: dir.to_owned(),
            problem: format!(
                "a file, where a folder with {CONFIG_FILE} and {TENSOR_FILE} is asked for{kind}"
            ),
        });
    }
    let device = device.clone().without_autodiff();
    let config = PeftConfig::load(dir)?;
    let path = dir.join(TENSOR_FILE);
    let problem = |problem: String| LoraError::Format {
        path: path.clone(),
        problem,
    };
    if let Some(found) = other_weights(dir, TENSOR_FILE) {
        return Err(problem(format!("there is no such file; {found}")));
    }
    let contents = tensors::read(&path)?;
    let mut layers = Vec::new();
    for (module, [a, b]) in contents.factors {
        let (rank, settings) = (a.rows, config.rank(&module));
        if rank != b.columns {
            let (a, b) = ([rank, a.columns], [b.rows, b.columns]);
            return Err(problem(format!(
                "ranks of `{module}`: lora_A {a:?}, lora_B {b:?}"
            )));
        }
        if rank != settings {
            return Err(problem(format!(
                "`{module}` has rank {rank}, {CONFIG_FILE} gives it rank {settings}"
            )));
        }
        let paths = names.ours(&module).map_err(problem)?;
        let layer = AdapterLayer {
            a: a.transposed(&device),
            b: b.transposed(&device),
            scale: config.scale(&module),
            path: module,
        };
        layers.extend(fused::split(layer, &paths).map_err(problem)?);
    }
    if layers.is_empty() {
        return Err(problem("no lora_A and lora_B in the file".into()));
    }
    let saved = |name: &&String| {
        let mut copies = contents.copies.iter();
        !copies.any(|copy| config::lies_in(&copy.module, name))
    };
    if let Some(name) = config.modules_to_save.iter().find(saved) {
        return Err(LoraError::Format {
            path: dir.join(CONFIG_FILE),
            problem: format!(
                "`modules_to_save` names `{name}`, of which {TENSOR_FILE} has no weights"
            ),
        });
    }
    let copies = contents.copies.into_iter().map(|stored| {
        let is_trained = config.saves(&stored.module);
        WeightCopy::new(stored, names, is_trained).map_err(problem)
    });
    let copies: Vec<WeightCopy> = copies.collect::<Result<_, _>>()?;
    for (index, copy) in copies.iter().enumerate() {
        if let Some(other) = copies[..index].iter().find(|other| other.path == copy.path) {
            let (first, second) = (&other.tensor, &copy.tensor);
            return Err(problem(format!("`{first}` and `{second}` are one weight")));
        }
    }
    Ok(PeftFolder {
        copies,
        adapter: AdapterSnapshot::from_layers(layers),
        config,
    })
}
