//! A decoder with its tokenizer, ready to continue a prompt.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use burn::tensor::Device;
use serde::Serialize;
use treelora_cl_bench::text::{Encoding, Tokenizer};
use treelora_core::Error;
use treelora_lora::{AdapterSnapshot, Selection, attach_bank};
use treelora_models::{
    Precision,
    decoder::{
        Decoder, Finish, GenerationConfig, GenerationDefaults, GenerationRequest, ScoreRules,
    },
};

/// A decoder and its tokenizer, from one folder in Hugging Face layout or one GGUF file.
#[derive(Debug)]
pub struct LanguageModel {
    /// The decoder.
    pub decoder: Decoder,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// What its files ask of a generation.
    pub rules: ScoreRules,
    /// What its files ask for and is done otherwise here, a sentence each.
    pub notes: Vec<String>,
}

/// A prompt and what was written after it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Continuation {
    /// Token ids of the prompt, with what the tokenizer puts in front.
    pub prompt_ids: Vec<u32>,
    /// The new token ids, without the one that ended them.
    pub ids: Vec<u32>,
    /// Their text.
    pub text: String,
    /// How long it took.
    pub timings: Timings,
}

/// Time of a generation, without that of turning tokens into text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Timings {
    /// Seconds for the prompt, up to the first new token.
    pub prefill_seconds: f64,
    /// Tokens of the prompt a second.
    pub prefill_tokens_per_second: f64,
    /// Seconds for the tokens after the first.
    pub decode_seconds: f64,
    /// Tokens after the first a second, one that ended the text among them; 0 without any.
    pub decode_tokens_per_second: f64,
}

impl Timings {
    /// Of a prompt of `prompt` tokens, and `steps` tokens after the first.
    fn of(prompt: usize, prefill: Duration, steps: usize, decoding: Duration) -> Self {
        let (prefill, decoding) = (prefill.as_secs_f64(), decoding.as_secs_f64());
        let rate = |tokens: usize, seconds: f64| match tokens > 0 && seconds > 0.0 {
            true => tokens as f64 / seconds,
            false => 0.0,
        };
        Self {
            prefill_seconds: prefill,
            prefill_tokens_per_second: rate(prompt, prefill),
            decode_seconds: match steps {
                0 => 0.0,
                _ => decoding,
            },
            decode_tokens_per_second: rate(steps, decoding),
        }
    }
}

impl LanguageModel {
    /// Read `config.json`, the weights and the tokenizer, or what stands for them in a GGUF file, and check that they fit
    /// each other.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the tokenizer is of another model.
    pub fn load(folder: &Path, device: &Device) -> Result<Self, Error> {
        Self::load_in(folder, Precision::F32, device)
    }

    /// As [`load`](Self::load), with the decoder as a frozen base in `precision`.
    ///
    /// # Errors
    /// As [`load`](Self::load), and when `device` does not compute in `precision`.
    pub fn load_in(folder: &Path, precision: Precision, device: &Device) -> Result<Self, Error> {
        precision.check_on(device).map_err(|e| e.within("model"))?;
        let decoder =
            Decoder::load_in(folder, precision, device).map_err(|e| Error::Data(e.to_string()))?;
        let architecture = decoder.config();
        let tokenizer = Tokenizer::load(folder)?
            .of_model(architecture.vocab_size, &architecture.eos_token_ids)?;
        let defaults = GenerationDefaults::load(folder, architecture.max_position_embeddings)?;
        let mut notes = decoder.notes().to_vec();
        notes.extend(tokenizer.notes());
        notes.extend(defaults.notes);
        Ok(Self {
            decoder,
            tokenizer,
            rules: defaults.rules,
            notes,
        })
    }

    /// Greedy generation that follows the model's files: it ends where they say, by their rules.
    pub fn generation(&self) -> GenerationConfig {
        GenerationConfig {
            stop_ids: self.tokenizer.special().stops.clone(),
            rules: self.rules.clone(),
            ..GenerationConfig::default()
        }
    }

    /// The model with an adapter in a folder of Hugging Face PEFT, and with the weights of its own that the folder
    /// holds: those of modules that were trained as a whole, and copies.
    ///
    /// # Errors
    /// When the folder holds what is not understood, or the adapter does not fit the model.
    pub fn with_peft_adapter(self, folder: &Path) -> Result<Self, Error> {
        let decoder = self.decoder.with_peft_adapter(folder)?;
        Ok(Self { decoder, ..self })
    }

    /// The model with an adapter.
    ///
    /// # Errors
    /// When a layer is not in the model or has another shape there.
    pub fn with_adapter(self, adapter: &AdapterSnapshot) -> Result<Self, Error> {
        let adapters = std::slice::from_ref(adapter);
        let decoder = attach_bank(self.decoder, adapters, Selection::One(0))
            .map_err(|e| Error::Data(e.to_string()))?;
        Ok(Self { decoder, ..self })
    }

    /// Continue a prompt; `on_text` hears of each piece of text as soon as its last token is
    /// chosen.
    ///
    /// # Errors
    /// When a setting is out of range, or the prompt is empty or longer than the context.
    pub fn continue_prompt(
        &self,
        prompt: &str,
        encoding: &Encoding,
        config: &GenerationConfig,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Continuation, Error> {
        // Nothing is cut here: a prompt that does not fit is the caller's to shorten.
        let prompt_ids = encoding.prompt(&self.tokenizer, prompt, usize::MAX);
        let prompt_ids = prompt_ids.map_err(|e| e.within("encoding"))?.ids;
        let before = self.tokenizer.decode(&prompt_ids)?;
        let text_of = |ids: &[u32]| -> Result<String, Error> {
            // Decoded behind the prompt, since a tokenizer may drop the blank in front of a text.
            let whole = self.tokenizer.decode(&[&prompt_ids, ids].concat())?;
            Ok(match whole.strip_prefix(&before) {
                Some(text) => text.to_owned(),
                None => self.tokenizer.decode(ids)?,
            })
        };
        let (mut ids, mut shown) = (Vec::new(), 0);
        let request = GenerationRequest {
            prompt: prompt_ids.clone(),
            stream: 0,
        };
        let started = Instant::now();
        let (mut prefill, mut aside) = (None, Duration::ZERO);
        let generations = self.decoder.generate(&[request], config, |_, id| {
            let chosen = Instant::now();
            prefill.get_or_insert(chosen - started);
            ids.push(id);
            // A character of several tokens is shown when it is whole.
            if let Ok(text) = text_of(&ids)
                && !text.ends_with(char::REPLACEMENT_CHARACTER)
                && let Some(new) = text.get(shown..)
            {
                on_text(new);
                shown = text.len();
            }
            aside += chosen.elapsed();
        })?;
        let whole = started.elapsed();
        let prefill = prefill.unwrap_or(whole);
        let ended = generations
            .iter()
            .any(|one| matches!(one.finish, Finish::Stop(_)));
        let ids = generations
            .into_iter()
            .flat_map(|g| g.ids)
            .collect::<Vec<u32>>();
        let steps = (ids.len() + usize::from(ended)).saturating_sub(1);
        let decoding = whole.saturating_sub(prefill + aside);
        let timings = Timings::of(prompt_ids.len(), prefill, steps, decoding);
        let text = text_of(&ids)?;
        if let Some(rest) = text.get(shown..) {
            on_text(rest);
        }
        Ok(Continuation {
            prompt_ids,
            ids,
            text,
            timings,
        })
    }
}
