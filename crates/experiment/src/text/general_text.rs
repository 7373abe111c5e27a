//! Held-out text that no task is about: what a base can do beside the tasks.

use std::path::Path;

use burn::module::Module;
use treelora_cl_bench::text::Tokenizer;
use treelora_core::{Error, read_text};
use treelora_models::decoder::{Decoder, TextBatch, TextExample};

use crate::folder::base_loss_change::GeneralLoss;

/// Prose on everyday matters, written for this purpose.
const OWN: &str = include_str!("general_text.txt");
/// Tokens that a model sees at once, at most.
const WINDOW: usize = 256;

/// A text in windows that a model reads one by one.
#[derive(Clone, Debug)]
pub(crate) struct GeneralText {
    windows: Vec<Vec<u32>>,
}

impl GeneralText {
    /// The text in a file, or the one that comes with the crate, for a model of this context.
    ///
    /// # Errors
    /// When the file cannot be read, or has fewer than two tokens, so that nothing is predicted.
    pub(crate) fn open(
        path: Option<&Path>,
        tokenizer: &Tokenizer,
        context: usize,
    ) -> Result<Self, Error> {
        let ids = match path {
            Some(path) => tokenizer.encode(&read_text(path)?)?,
            None => tokenizer.encode(OWN)?,
        };
        // A model that begins a text with a token has it in front of every window.
        let start = tokenizer.prefix();
        let room = WINDOW.min(context).saturating_sub(start.len()).max(1);
        let windows = ids.chunks(room).map(|part| [start, part].concat());
        let windows: Vec<Vec<u32>> = windows.filter(|window| window.len() > 1).collect();
        match windows.is_empty() {
            false => Ok(Self { windows }),
            true => Err(Error::setting("general_text", "a text without two tokens")),
        }
    }

    /// The mean loss over all tokens that have one before them in their window. One window goes through the model at
    /// a time: no batch size has an influence.
    pub(crate) fn loss(&self, model: &Decoder) -> GeneralLoss {
        let model = model.valid();
        let (mut sum, mut tokens) = (0.0, 0);
        for window in &self.windows {
            let batch = TextBatch {
                examples: vec![TextExample::new(&window[..1], &window[1..])],
            };
            for likelihood in model.answer_log_likelihoods(&batch).into_iter().flatten() {
                sum -= f64::from(likelihood);
                tokens += 1;
            }
        }
        GeneralLoss {
            loss: sum / f64::from(u32::try_from(tokens).unwrap_or(u32::MAX)),
            tokens,
        }
    }
}
