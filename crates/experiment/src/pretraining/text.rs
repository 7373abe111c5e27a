//! A decoder and its tokenizer from texts.

use std::{fs, path::Path};

use burn::{module::Module, tensor::Device};
use serde_json::json;
use treelora_core::{Error, Learner, Seeds, StepInfo, Task, TaskId, mix, write_json};
use treelora_models::decoder::{Decoder, DecoderConfig, TextBatch, TextExample};

use super::{
    Pretraining, PretrainingReport,
    whole_model::{WholeModel, step_at},
};
use treelora_cl_bench::{
    stream::shuffled,
    text::{Corpus, PackedText, Tokenizer, predicted_tokens},
};

use crate::{
    config::text_pretraining_config::{TextPretrainingConfig, Vocabulary},
    event::Event,
    run::run_loop::trainable_parameters,
};

/// Files of a tokenizer; only the first must be there.
const TOKENIZER_FILES: [&str; 4] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
];

/// A configuration with its texts at hand.
///
/// The folder of the model has `config.json`, `model.safetensors`, `generation_config.json` and the
/// files of the tokenizer in Hugging Face's layout, and [`pretraining.json`](PretrainingReport),
/// written last.
pub struct TextPretraining {
    config: TextPretrainingConfig,
    corpus: Corpus,
}

impl TextPretraining {
    /// Read the texts.
    ///
    /// # Errors
    /// From settings or files.
    pub fn prepare(config: TextPretrainingConfig) -> Result<Self, Error> {
        config.validate()?;
        let corpus = config.data.open().map_err(|e| e.within("data"))?;
        Ok(Self { config, corpus })
    }

    /// Train the tokenizer, or copy it, into the folder of the model.
    fn tokenizer(&self, folder: &Path) -> Result<Tokenizer, Error> {
        match &self.config.tokenizer {
            Vocabulary::BytePairs(training) => training
                .train(self.corpus.texts(), folder)
                .map_err(|e| e.within("tokenizer")),
            Vocabulary::Folder { path } => {
                if path.is_file() {
                    let problem = "a file, where the folder of a tokenizer is asked for";
                    let error = Error::setting("path", format!("{}: {problem}", path.display()));
                    return Err(error.within("tokenizer"));
                }
                // Read first: a folder without a tokenizer leaves nothing behind.
                Tokenizer::load(path)?;
                for name in TOKENIZER_FILES {
                    let from = path.join(name);
                    if from.exists() {
                        fs::copy(&from, folder.join(name)).map_err(|e| Error::io(&from, e))?;
                    }
                }
                Tokenizer::load(folder)
            }
        }
    }

    /// Predict the next token of every sequence, again and again.
    fn learn(
        &self,
        model: Decoder,
        packed: &PackedText,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Decoder, Error> {
        let (training, rates) = (&self.config.training, self.config.training.rates());
        let per_epoch = packed.train.len().div_ceil(training.batch_size);
        let total = training.steps.unwrap_or(training.epochs * per_epoch);
        let epochs = total.div_ceil(per_epoch);
        let mut learner = Learner::of(model);
        let groups = learner.groups(&[]);
        let mut optimizer = rates.optimizer();
        on_event(&Event::Stage {
            task: Task {
                id: TaskId(0),
                name: "pre-training".into(),
                classes: Vec::new(),
            },
            steps: total,
            done: 0,
            trainable_parameters: trainable_parameters(&learner),
        });
        for epoch in 0..epochs {
            let seed = mix(&[training.seed, epoch as u64]);
            let sequences = shuffled(&packed.train, seed);
            let mut batches = sequences.chunks(training.batch_size).map(batch_of).map(Ok);
            let last = (total - epoch * per_epoch).min(per_epoch) - 1;
            for step in 0..=last {
                let done = epoch * per_epoch + step;
                let info = StepInfo {
                    task: TaskId(0),
                    epoch,
                    epochs,
                    step,
                    steps: per_epoch,
                };
                // Over all steps, which need not be whole passes.
                let overall = StepInfo {
                    epoch: 0,
                    epochs: 1,
                    step: done,
                    steps: total,
                    ..info
                };
                let rate = training.learning_rate * rates.factor(&overall);
                let training_step = step_at(rate, info, &groups);
                let report;
                (learner, report) =
                    training_step.take(&mut WholeModel, learner, &mut optimizer, &mut batches)?;
                let validation = match step == last {
                    true => validation_loss(&learner.model.valid(), packed, training.batch_size),
                    false => None,
                };
                on_event(&Event::Step {
                    step: info,
                    examples: report.examples,
                    loss: report.loss,
                    learning_rate: rate,
                    terms: validation
                        .map(|loss| ("validation_loss".to_owned(), loss))
                        .into_iter()
                        .collect(),
                });
            }
        }
        Ok(learner.model)
    }
}

impl Pretraining for TextPretraining {
    fn run(
        &self,
        folder: &Path,
        device: &Device,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<PretrainingReport, Error> {
        let config = &self.config;
        let (training, context) = (&config.training, config.model.max_position_embeddings);
        fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        let tokenizer = self.tokenizer(folder)?;
        let packed = PackedText::new(
            &self.corpus,
            &tokenizer,
            context,
            training.held_out,
            training.seed,
        )
        .map_err(|e| e.within("training"))?;
        let architecture = config
            .model
            .architecture(tokenizer.vocabulary(), tokenizer.special());
        let device = device.clone().autodiff();
        device.seed(training.seed);
        let mut rng = Seeds::new(training.seed).initialisation();
        let model = architecture.init(&mut rng, &device);
        let model = model.map_err(|e| e.within("model"))?;

        let (mut losses, mut validation_loss) = (Vec::new(), None);
        let model = self.learn(model, &packed, &mut |event| {
            if let Event::Step { loss, terms, .. } = event {
                losses.push(*loss);
                validation_loss = terms.first().map(|(_, loss)| *loss).or(validation_loss);
            }
            on_event(event);
        })?;
        model.save(folder)?;
        write_generation_config(folder, &architecture)?;

        let mut report = PretrainingReport::here(config, &device)?;
        report.note_losses(&losses);
        report.validation_loss = validation_loss;
        report.parameters = model.num_params();
        report.data_sha256 = Some(self.corpus.sha256());
        report.data = [
            ("documents", self.corpus.documents.len()),
            ("training_tokens", predicted_tokens(&packed.train)),
            ("held_out_tokens", predicted_tokens(&packed.held_out)),
            ("vocabulary", tokenizer.vocabulary()),
        ]
        .map(|(name, count)| (name.to_owned(), count))
        .into();
        write_json(&folder.join("pretraining.json"), &report)?;
        Ok(report)
    }
}

/// Mean loss of a held-out token in nats, whatever the batch size; `None` without held-out text.
fn validation_loss(model: &Decoder, packed: &PackedText, batch_size: usize) -> Option<f64> {
    let batches = packed.held_out.chunks(batch_size).map(batch_of);
    let (mut sum, mut count) = (0.0, 0);
    for likelihoods in batches.map(|batch| model.answer_log_likelihoods(&batch)) {
        for likelihood in likelihoods.into_iter().flatten() {
            sum -= f64::from(likelihood);
            count += 1;
        }
    }
    (count > 0).then(|| sum / f64::from(count))
}

fn batch_of(sequences: &[Vec<u32>]) -> TextBatch {
    TextBatch {
        examples: sequences
            .iter()
            .map(|ids| TextExample::new(&ids[..1], &ids[1..]))
            .collect(),
    }
}

/// What transformers' `generate` begins, ends and fills up texts with.
fn write_generation_config(folder: &Path, architecture: &DecoderConfig) -> Result<(), Error> {
    let fields = architecture.to_fields();
    let ids = ["bos_token_id", "eos_token_id", "pad_token_id"].map(|key| (key, &fields[key]));
    let ids: serde_json::Map<_, _> = ids
        .into_iter()
        .filter(|(_, id)| !id.is_null())
        .map(|(key, id)| (key.to_owned(), id.clone()))
        .collect();
    write_json(&folder.join("generation_config.json"), &json!(ids))
}
