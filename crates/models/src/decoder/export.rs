//! A folder that Hugging Face's tools load.

use std::{borrow::Cow, collections::HashMap, fs, path::Path};

use burn::{nn::Linear, tensor::Tensor};
use safetensors::{Dtype, View};
use treelora_core::Error;

use super::{Decoder, weight_folder::SINGLE};

impl Decoder {
    /// Write `config.json` and `model.safetensors` into a folder, which is created: Hugging Face's names and layout,
    /// `f32`. With adapters attached, the selected ones are folded into the weights that are written.
    ///
    /// # Errors
    /// When writing fails; an earlier `model.safetensors` is then unchanged.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        let path = folder.join(SINGLE);
        let temporary = folder.join(format!("{SINGLE}.tmp"));
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let written = safetensors::serialize_to_file(self.stored(), Some(metadata), &temporary)
            .map_err(|e| Error::format(&path, e.to_string()))
            .and_then(|()| fs::rename(&temporary, &path).map_err(|e| Error::io(&path, e)));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written?;
        self.config.save(folder)
    }

    /// All parameters under their names in a file.
    fn stored(&self) -> Vec<(String, Stored)> {
        let mut stored = vec![
            (
                "model.embed_tokens.weight".to_owned(),
                Stored::matrix(self.embed_tokens.weight.val()),
            ),
            (
                "model.norm.weight".to_owned(),
                Stored::vector(self.norm.weight.val()),
            ),
        ];
        if let Some(head) = &self.lm_head {
            stored.push(("lm_head.weight".to_owned(), Stored::linear(head)));
        }
        for (index, layer) in self.layers.iter().enumerate() {
            let mut store =
                |name: &str, values| stored.push((format!("model.layers.{index}.{name}"), values));
            let (attention, mlp) = (&layer.self_attn, &layer.mlp);
            for (name, linear) in [
                ("self_attn.q_proj", &attention.q_proj),
                ("self_attn.k_proj", &attention.k_proj),
                ("self_attn.v_proj", &attention.v_proj),
                ("self_attn.o_proj", &attention.o_proj),
                ("mlp.gate_proj", &mlp.gate_proj),
                ("mlp.up_proj", &mlp.up_proj),
                ("mlp.down_proj", &mlp.down_proj),
            ] {
                store(&format!("{name}.weight"), Stored::linear(linear));
                if let Some(bias) = &linear.bias {
                    store(&format!("{name}.bias"), Stored::vector(bias.val()));
                }
            }
            for (name, norm) in [
                ("input_layernorm", Some(&layer.input_layernorm)),
                (
                    "post_attention_layernorm",
                    Some(&layer.post_attention_layernorm),
                ),
                ("self_attn.q_norm", attention.q_norm.as_ref()),
                ("self_attn.k_norm", attention.k_norm.as_ref()),
            ] {
                if let Some(norm) = norm {
                    store(&format!("{name}.weight"), Stored::vector(norm.weight.val()));
                }
            }
        }
        stored
    }
}

/// A tensor that is read back from its device only when it is written, so that writing needs no second copy of the
/// model.
struct Stored {
    shape: Vec<usize>,
    values: Values,
}

enum Values {
    Vector(Tensor<1>),
    Matrix(Tensor<2>),
}

impl Stored {
    fn vector(tensor: Tensor<1>) -> Self {
        Self {
            shape: tensor.dims().to_vec(),
            values: Values::Vector(tensor),
        }
    }

    fn matrix(tensor: Tensor<2>) -> Self {
        Self {
            shape: tensor.dims().to_vec(),
            values: Values::Matrix(tensor),
        }
    }

    /// burn's `[inputs, outputs]` as Hugging Face's `[outputs, inputs]`.
    fn linear(layer: &Linear) -> Self {
        Self::matrix(layer.weight.val().transpose())
    }
}

impl View for Stored {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let data = match &self.values {
            Values::Vector(tensor) => tensor.to_data(),
            Values::Matrix(tensor) => tensor.to_data(),
        };
        Cow::Owned(data.iter::<f32>().flat_map(f32::to_le_bytes).collect())
    }

    fn data_len(&self) -> usize {
        size_of::<f32>() * self.shape.iter().product::<usize>()
    }
}
