//! A folder that Hugging Face's tools load.

use std::path::Path;

use treelora_core::Error;

use super::Decoder;
use crate::export::{self, Stored};

impl Decoder {
    /// Write `config.json` and `model.safetensors` into a folder, which is created: Hugging Face's names and layout,
    /// `f32`. With adapters attached, the selected ones are folded into the weights that are written.
    ///
    /// # Errors
    /// When writing fails; an earlier `model.safetensors` is then unchanged.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        export::save(folder, self.stored())?;
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
            for (name, linear) in layer.linears() {
                store(&format!("{name}.weight"), Stored::linear(linear));
                if let Some(bias) = &linear.bias {
                    store(&format!("{name}.bias"), Stored::vector(bias.val()));
                }
            }
            for (name, norm) in layer.norms() {
                store(&format!("{name}.weight"), Stored::vector(norm.weight.val()));
            }
        }
        stored
    }
}
