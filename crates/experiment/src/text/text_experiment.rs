//! A language experiment made ready: decoder, tokenizer, stream and method from one configuration.

use burn::tensor::Device;
use treelora_cl_bench::{
    StreamData,
    metrics::{AccuracyMatrix, TaskScore},
    scorers::{Sample, TaskMetric},
    sha256,
    text::{DemonstratedPrompts, Tokenizer},
};
use treelora_core::{Error, Learner, Method, TaskId};
use treelora_models::decoder::Decoder;

use crate::{
    config::{experiment_config::ExperimentConfig, text_experiment_config::TextExperimentConfig},
    event::{Event, RunResult},
    experiment::{Experiment, Reconfigured, take},
    folder::{
        checkpoint::RunFolder,
        manifest::Manifest,
        summary::{Floors, RunIdentity, RunSummary, task_names},
    },
    run::{evaluation::Scoring, run_loop::Run},
    streams::text_stream::TextStream,
    text::{generated_answers::GeneratedAnswers, language_model::LanguageModel},
};

/// A configuration with its model and data at hand.
pub struct TextExperiment {
    config: TextExperimentConfig,
    /// The frozen decoder, without adapters, on the training device.
    model: Decoder,
    tokenizer: Tokenizer,
    stream: TextStream,
    /// Prompts with examples in front, one entry a task; empty without demonstrations.
    demonstrated: Vec<DemonstratedPrompts>,
    weights_sha256: Option<String>,
    data_sha256: Option<String>,
    device: Device,
}

impl TextExperiment {
    /// Load the decoder and its tokenizer, open and encode the stream.
    ///
    /// # Errors
    /// From data, weights, tokenizer or settings.
    pub fn prepare(config: TextExperimentConfig, device: &Device) -> Result<Self, Error> {
        let device = config.training.activations.on(device);
        device.seed(config.training.seed);
        let folder = &config.model.weights;
        let LanguageModel {
            decoder: model,
            tokenizer,
        } = LanguageModel::load_in(folder, config.model.precision, &device)?;
        let context = model.config().max_position_embeddings;
        let records = config.data.open().map_err(|e| e.within("data"))?;
        let stream = TextStream::new(
            records,
            &tokenizer,
            &config.encoding,
            config.batching,
            context,
        )?;
        let fits = config.training.validate_for(stream.tasks().len());
        fits.map_err(|e| e.within("training"))?;
        let demonstrated = demonstrated(&config, &stream, &tokenizer, context)?;
        let weights_sha256 = Some(sha256(folder)?);
        let data_sha256 = config.data.path.as_deref().map(sha256).transpose()?;
        Ok(Self {
            config,
            model,
            tokenizer,
            stream,
            demonstrated,
            weights_sha256,
            data_sha256,
            device,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &TextExperimentConfig {
        &self.config
    }

    /// The decoder, without adapters.
    pub fn model(&self) -> &Decoder {
        &self.model
    }

    /// The decoder's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The stream.
    pub fn stream(&self) -> &TextStream {
        &self.stream
    }

    /// The method and the model at the folder's last checkpoint, or at the start.
    ///
    /// # Errors
    /// When the settings do not fit the model, or the checkpoint is damaged.
    pub fn restored(&self, folder: &RunFolder) -> Result<RestoredDecoder, Error> {
        let mut method = self.config.method.build_any(self.config.training.seed)?;
        let learner = method
            .attach(self.model.clone())
            .map_err(|e| e.within("method"))?;
        let (learner, result) = folder.restore(learner, method.as_mut(), &self.device)?;
        Ok(RestoredDecoder {
            method,
            learner,
            result: result.unwrap_or_default(),
        })
    }

    fn answers<'a>(&'a self, folder: Option<&'a RunFolder>) -> GeneratedAnswers<'a> {
        GeneratedAnswers {
            stream: &self.stream,
            demonstrated: &self.demonstrated,
            tokenizer: &self.tokenizer,
            settings: &self.config.generation,
            batch_size: self.config.training.evaluation_batch_size,
            seed: self.config.training.seed,
            folder,
        }
    }
}

/// Prompts with the examples in front that the method asks for, one entry a task; empty when it asks
/// for none.
fn demonstrated(
    config: &TextExperimentConfig,
    stream: &TextStream,
    tokenizer: &Tokenizer,
    context: usize,
) -> Result<Vec<DemonstratedPrompts>, Error> {
    let Some(demonstrations) = config.method.demonstrations() else {
        return Ok(Vec::new());
    };
    let tasks = stream.records().tasks.iter();
    tasks
        .map(|task| demonstrations.prompts(task, tokenizer, &config.encoding, context))
        .map(|prompts| prompts.map_err(|e| e.within("encoding")))
        .collect()
}

/// A decoder under a method, as a checkpoint left them.
pub struct RestoredDecoder {
    /// The method.
    pub method: Box<dyn Method<Decoder>>,
    /// The decoder with the method's adapters, and what is trained beside it.
    pub learner: Learner<Decoder>,
    /// What the run produced so far.
    pub result: RunResult,
}

impl Experiment for TextExperiment {
    fn reconfigured(self: Box<Self>, config: ExperimentConfig) -> Result<Reconfigured, Error> {
        Ok(match config {
            ExperimentConfig::Text(config) if self.config.has_inputs_of(&config) => {
                let fits = config.training.validate_for(self.stream.tasks().len());
                fits.map_err(|e| e.within("training"))?;
                let context = self.model.config().max_position_embeddings;
                let demonstrated = demonstrated(&config, &self.stream, &self.tokenizer, context)?;
                Reconfigured::Ready(Box::new(Self {
                    config: *config,
                    demonstrated,
                    ..*self
                }))
            }
            other => Reconfigured::NeedsOtherInputs(other),
        })
    }

    fn config_toml(&self) -> Result<String, Error> {
        self.config.to_toml()
    }

    fn manifest(&self) -> Manifest {
        Manifest {
            weights_sha256: self.weights_sha256.clone(),
            data_sha256: self.data_sha256.clone(),
            tasks: task_names(self.stream.tasks()),
            ..Manifest::here(&self.device, self.config.training.seed)
        }
    }

    fn run(
        &self,
        folder: &RunFolder,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<RunSummary, Error> {
        let _lock = take(folder, on_event)?;
        folder.write_json("stream.json", self.stream.report())?;
        let RestoredDecoder {
            mut method,
            learner,
            result,
        } = self.restored(folder)?;
        let run = Run {
            method: method.as_mut(),
            data: &self.stream,
            training: &self.config.training,
            scoring: &self.answers(Some(folder)),
            device: &self.device,
            folder: Some(folder),
            on_event,
        };
        let (_, result) = run.train(learner, result)?;
        let identity = RunIdentity {
            label: self.config.label(),
            method: self.config.method_label(),
            seed: self.config.training.seed,
            tasks: task_names(self.stream.tasks()),
        };
        let summary = RunSummary::new(identity, result, self.floors(on_event)?);
        folder.write_summary(&summary)?;
        Ok(summary)
    }

    /// The score of always giving the most frequent training answer, by each task's own metric.
    fn floors(&self, _on_event: &mut dyn FnMut(&Event)) -> Result<Floors, Error> {
        let mut matrix = AccuracyMatrix::new();
        let tasks = &self.stream.report().tasks;
        for (on, task) in tasks.iter().enumerate() {
            let Some(majority) = &task.majority else {
                continue;
            };
            let records = &self.stream.records().tasks[on].test.records;
            let samples: Vec<Sample<'_>> = records
                .iter()
                .map(|record| Sample {
                    prompt: &record.prompt,
                    prediction: &majority.answer,
                    answer: &record.answer,
                })
                .collect();
            let metric = TaskMetric::for_task(&task.name);
            let score = metric.score(self.config.generation.scoring, &samples);
            for after in on..tasks.len() {
                if let Some(mean) = score.mean {
                    matrix.record_score(after, on, mean);
                }
            }
        }
        Ok(Floors::from([("majority".to_owned(), matrix.metrics())]))
    }

    fn score_again(
        &self,
        folder: &RunFolder,
        shuffle: Option<u64>,
    ) -> Result<Vec<TaskScore>, Error> {
        if shuffle.is_some() {
            let problem = "answers on text are written prompt by prompt: there is nothing to mix";
            return Err(Error::setting("--shuffle", problem));
        }
        let RestoredDecoder {
            method,
            learner,
            result,
        } = self.restored(folder)?;
        let stages = self.stream.stages(method.exposure());
        let stage = folder.last_stage(&stages, &result)?;
        let (after, answering) = (stage.task.id, method.for_evaluation(&learner)?);
        let answers = self.answers(None);
        (0..=after.0)
            .map(|on| answers.score(method.as_ref(), &answering, TaskId(on), after))
            .collect()
    }
}
