//! What an experiment on text is made of: a decoder with its tokenizer, and tasks of prompts.

use burn::tensor::Device;
use treelora_cl_bench::{
    StreamData,
    metrics::{AccuracyMatrix, TaskScore},
    scorers::{Sample, TaskMetric},
    text::{DemonstratedPrompts, Tokenizer},
};
use treelora_class_incremental::Routed;
use treelora_core::{Error, Learner, Method, TaskId};
use treelora_models::decoder::{Decoder, ScoreRules, TextBatch};

use crate::{
    config::{answering::Answering, text_experiment_config::TextExperimentConfig},
    event::Event,
    folder::{base_loss_change::GeneralLoss, checkpoint::RunFolder, summary::Floors},
    inputs::Inputs,
    prepared::PreparedExperiment,
    run::evaluation::Scoring,
    streams::text_stream::TextStream,
    text::{
        general_text::GeneralText,
        generated_answers::{GeneratedAnswers, Oddities},
        known_answers::KnownAnswers,
        label_choices::LabelChoices,
        language_model::LanguageModel,
        prompt_router::PromptRouter,
    },
};

/// An experiment on text.
pub type TextExperiment = PreparedExperiment<TextInputs>;

/// A decoder with its tokenizer, and text tasks.
pub struct TextInputs {
    /// The frozen decoder, without adapters, on the training device.
    model: Decoder,
    /// As it was loaded: other settings may adapt other parts of it.
    loaded: Decoder,
    tokenizer: Tokenizer,
    /// What the decoder's files ask of a generation.
    rules: ScoreRules,
    stream: TextStream,
    /// Prompts with examples in front, one entry a task; empty without demonstrations.
    demonstrated: Vec<DemonstratedPrompts>,
    /// Labels to choose among, one entry a task; empty where no answer is chosen.
    choices: Vec<Option<LabelChoices>>,
    /// What the base is held against beside the tasks.
    general: GeneralText,
}

impl PreparedExperiment<TextInputs> {
    /// The decoder, without adapters.
    pub fn model(&self) -> &Decoder {
        &self.inputs.model
    }

    /// The decoder's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.inputs.tokenizer
    }

    /// The stream.
    pub fn stream(&self) -> &TextStream {
        &self.inputs.stream
    }
}

impl Inputs for TextInputs {
    type Settings = TextExperimentConfig;
    type Model = Decoder;

    fn open(
        config: &TextExperimentConfig,
        device: &Device,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Self, Error> {
        let folder = &config.model.weights;
        let LanguageModel {
            decoder: loaded,
            tokenizer,
            rules,
            mut notes,
        } = LanguageModel::load_in(folder, config.model.precision, device)?;
        let encoding = &config.encoding;
        if encoding.chat_template
            && encoding.date.is_none()
            && tokenizer.chat_template()?.reads_clock()
        {
            notes.push(
                "the chat template can print the day: it is told none, so that a run does not depend on it; \
                 `encoding.date` gives one"
                    .into(),
            );
        }
        for message in notes {
            on_event(&Event::Warning { message });
        }
        let model = ready_for(config, &loaded)?;
        let context = model.config().max_position_embeddings;
        let records = config.data.open().map_err(|e| e.within("data"))?;
        let stream = TextStream::new(
            records,
            &tokenizer,
            &config.encoding,
            config.batching.of(model.config()),
            context,
        )?;
        let fits = config.training.validate_for(stream.tasks().len());
        fits.map_err(|e| e.within("training"))?;
        let demonstrated = demonstrated(config, &stream, &tokenizer, context)?;
        let choices = choices(config, &stream, &tokenizer)?;
        let general = GeneralText::open(config.general_text.as_deref(), &tokenizer, context)?;
        Ok(Self {
            model,
            loaded,
            tokenizer,
            rules,
            stream,
            demonstrated,
            choices,
            general,
        })
    }

    fn reused(self, next: &TextExperimentConfig) -> Result<Option<Self>, Error> {
        let fits = next.training.validate_for(self.stream.tasks().len());
        fits.map_err(|e| e.within("training"))?;
        let context = self.model.config().max_position_embeddings;
        let demonstrated = demonstrated(next, &self.stream, &self.tokenizer, context)?;
        let choices = choices(next, &self.stream, &self.tokenizer)?;
        let general = next.general_text.as_deref();
        Ok(Some(Self {
            model: ready_for(next, &self.loaded)?,
            demonstrated,
            choices,
            general: GeneralText::open(general, &self.tokenizer, context)?,
            ..self
        }))
    }

    fn model(&self) -> &Decoder {
        &self.model
    }

    fn data(&self) -> &dyn StreamData<TextBatch> {
        &self.stream
    }

    fn method(&self, config: &TextExperimentConfig) -> Result<Box<dyn Method<Decoder>>, Error> {
        let method = config.method.build_headless(config.training.seed)?;
        Ok(match config.router() {
            Some(router) => {
                Box::new(Routed::new(method, &router).map_err(|e| e.within("routing"))?)
            }
            None => method,
        })
    }

    fn scoring<'a>(
        &'a self,
        config: &'a TextExperimentConfig,
        folder: Option<&'a RunFolder>,
    ) -> Box<dyn Scoring<Decoder> + 'a> {
        Box::new(GeneratedAnswers {
            stream: &self.stream,
            demonstrated: &self.demonstrated,
            tokenizer: &self.tokenizer,
            rules: &self.rules,
            settings: &config.generation,
            router: PromptRouter::new(config.inference, config.training.evaluation_batch_size),
            batch_size: config.training.evaluation_batch_size,
            seed: config.training.seed,
            folder,
            choices: &self.choices,
            known: KnownAnswers::of(&config.method),
            oddities: Oddities::default(),
        })
    }

    /// The score of always giving the most frequent training answer, by each task's own metric.
    fn floors(
        &self,
        config: &TextExperimentConfig,
        _device: &Device,
        _on_event: &mut dyn FnMut(&Event),
    ) -> Result<Floors, Error> {
        let mut matrix = AccuracyMatrix::new();
        let tasks = &self.stream.report().tasks;
        for (on, task) in tasks.iter().enumerate() {
            let Some(majority) = &task.majority else {
                continue;
            };
            let of_task = &self.stream.records().tasks[on];
            let records = of_task.test.records.iter();
            let samples: Vec<Sample<'_>> = records
                .map(|record| Sample {
                    prompt: &record.prompt,
                    prediction: &majority.answer,
                    answer: &record.answer,
                })
                .collect();
            let metric = TaskMetric::for_task(&of_task.name);
            let score = metric.score(config.generation.scoring, &samples);
            for after in on..tasks.len() {
                if let Some(mean) = score.mean {
                    matrix.record_score(after, on, mean);
                }
            }
        }
        Ok(Floors::from([("majority".to_owned(), matrix.metrics())]))
    }

    fn general_loss(&self, model: &Decoder) -> Option<GeneralLoss> {
        Some(self.general.loss(model))
    }

    fn score_mixed(
        &self,
        _config: &TextExperimentConfig,
        _method: &dyn Method<Decoder>,
        _answering: &Learner<Decoder>,
        _after: TaskId,
        _seed: u64,
    ) -> Result<Vec<TaskScore>, Error> {
        let problem = "answers on text are written prompt by prompt: there is nothing to mix";
        Err(Error::setting("--shuffle", problem))
    }

    fn describe(&self, folder: &RunFolder) -> Result<(), Error> {
        folder.write_json("stream.json", self.stream.report())
    }
}

/// The decoder as the method adapts it.
fn ready_for(config: &TextExperimentConfig, loaded: &Decoder) -> Result<Decoder, Error> {
    let decoder = loaded.clone();
    match config.method.lora() {
        None => Ok(decoder),
        Some(lora) => decoder
            .ready_for(lora)
            .map_err(|e| Error::setting("method.lora", e.to_string())),
    }
}

/// The labels of each task, where answers are chosen among them; an entry a task.
fn choices(
    config: &TextExperimentConfig,
    stream: &TextStream,
    tokenizer: &Tokenizer,
) -> Result<Vec<Option<LabelChoices>>, Error> {
    let settings = &config.generation;
    let mut told = settings.labels.keys();
    if let Some(unknown) = told.find(|task| !config.data.knows_task(task)) {
        let problem = "is no task of the stream or of any benchmark";
        return Err(Error::setting(
            format!("generation.labels.{unknown}"),
            problem,
        ));
    }
    if settings.answer == Answering::Generate && !settings.side_by_side {
        return Ok(Vec::new());
    }
    let limits = stream.report().limits;
    let tasks = stream.records().tasks.iter();
    tasks
        .map(|task| LabelChoices::of(task, settings, tokenizer, &config.encoding, limits))
        .map(|choices| choices.map_err(|e| e.within("generation")))
        .collect()
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
