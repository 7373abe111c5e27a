//! Where a decoder takes adapters: a tied head is no parameter, until one end of the pair is to be adapted.

use std::path::Path;

use treelora_core::Error;
use treelora_lora::{
    LoraConfig, LoraError, Selection, attach_bank,
    peft::{self, ModuleNames, PeftFolder},
};

use super::Decoder;

/// The two ends of a decoder, which are one matrix where they are tied.
const ENDS: [&str; 2] = ["embed_tokens.weight", "lm_head.weight"];

/// Errors of the folder's files, which name them.
fn unread(error: LoraError) -> Error {
    match error {
        LoraError::Io { path, source } => Error::Io { path, source },
        other => Error::Data(other.to_string()),
    }
}

impl Decoder {
    /// The model in which `lora` finds what it adapts: [with a head of its own](Self::with_own_head) where one of two
    /// tied ends is adapted, as PEFT adapts it. Patterns that match no end change nothing.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn ready_for(self, lora: &LoraConfig) -> Result<Self, LoraError> {
        for end in ENDS {
            if lora.adapts(end)? {
                return Ok(self.with_own_head());
            }
        }
        Ok(self)
    }

    /// The model with the adapter in a folder of Hugging Face PEFT, and with the weights of its own that the folder
    /// holds: those of modules that were trained as a whole, and copies.
    ///
    /// # Errors
    /// When the folder holds what is not understood, or does not fit the model.
    pub fn with_peft_adapter(self, folder: &Path) -> Result<Self, Error> {
        let fail = |problem: String| Error::format(folder, problem);
        let device = self.device();
        let read = peft::load_with_copies(folder, &ModuleNames::causal_lm(), &device);
        let PeftFolder {
            config,
            adapter,
            copies,
        } = read.map_err(unread)?;
        let is_tied = self.lm_head.is_none();
        let of_adapter = adapter.layers().iter().map(|layer| layer.path.as_str());
        let of_copies = copies.iter().map(|copy| copy.path.as_str());
        let concerns_ends = of_adapter.chain(of_copies).any(|path| ENDS.contains(&path));
        if is_tied && concerns_ends && config.ensure_weight_tying {
            let problem =
                "`ensure_weight_tying` is true: the tied ends of a model are adapted apart here";
            return Err(fail(problem.into()));
        }
        let model = match concerns_ends {
            true => self.with_own_head(),
            false => self,
        };
        let (model, changed) =
            peft::with_copies(model, &copies).map_err(|e| fail(e.to_string()))?;
        // What PEFT makes of one depends on the order in which it reads the two.
        let mut changed = changed.into_iter().map(|index| &copies[index]);
        let half = changed.find(|copy| !copy.is_trained && ENDS.contains(&copy.path.as_str()));
        if let Some(copy) = half
            && is_tied
        {
            return Err(fail(format!(
                "`{}` is not the model's, whose embedding and head are tied, and `modules_to_save` does not name it",
                copy.tensor
            )));
        }
        attach_bank(model, &[adapter], Selection::One(0)).map_err(|e| fail(e.to_string()))
    }
}
