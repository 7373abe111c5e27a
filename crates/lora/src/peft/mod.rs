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
//! | our parameter paths and the modules of the other model | [`ModuleNames`] |
//!
//! What would change the function that the adapter computes and is not understood is an error, never skipped: DoRA,
//! biases, trained copies of modules, adapters of embeddings or convolutions, variants of LoRA that PEFT adds.
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

mod export;

mod fused;

mod tensors;

use std::path::Path;

use burn::tensor::Device;
use treelora_tensor_file::{FileKind, other_weights};

use crate::{AdapterLayer, AdapterSnapshot, LoraError};

use config::CONFIG_FILE;
pub use config::PeftConfig;
pub use export::{PeftOptions, save};
pub use names::ModuleNames;

const TENSOR_FILE: &str = "adapter_model.safetensors";

/// Read an adapter folder onto `device`. Tensors may be F32, F16 or BF16; the snapshot is `f32`.
///
/// A module that `names` takes for several of our layers is split: each gets its columns of B and the components of
/// A that they use, so the sum of the updates is exactly the module's.
///
/// # Errors
/// When a file is missing or damaged; when a setting or tensor is not understood; when an A has no B, shapes or ranks
/// disagree, or a value is not finite; when a module has no place in `names`.
pub fn load(
    dir: &Path,
    names: &ModuleNames,
    device: &Device,
) -> Result<AdapterSnapshot, LoraError> {
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
    let mut layers = Vec::new();
    for (module, [a, b]) in tensors::read(&path)? {
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
    Ok(AdapterSnapshot::from_layers(layers))
}
