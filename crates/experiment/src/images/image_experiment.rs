//! An experiment made ready: model, data and method from one configuration.

use burn::tensor::Device;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use treelora_cl_bench::{
    StreamData,
    dataset::Splits,
    metrics::{Cell, TaskScore, best_classes},
    sha256,
    stream::{Stream, TaskIdentity},
};
use treelora_class_incremental::{FrozenDiscriminant, Routed, answer_by_task};
use treelora_core::{Batch, Error, Learner, Method, Seeds, TaskId};
use treelora_models::vit::{HeadSource, ImageBatch, VisionTransformer, head};

use crate::{
    config::{
        experiment_config::ExperimentConfig, image_experiment_config::ImageExperimentConfig,
        inference::Inference,
    },
    event::{Event, RunResult},
    experiment::{Experiment, Reconfigured, take},
    folder::{
        checkpoint::RunFolder,
        manifest::Manifest,
        summary::{Floors, RunIdentity, RunSummary, task_names},
    },
    pretraining::pretrained,
    run::{
        evaluation::{Scoring, TopOne},
        run_loop::Run,
    },
    streams::image_stream::ImageStream,
};

/// A configuration with its model and data at hand.
pub struct ImageExperiment {
    config: ImageExperimentConfig,
    /// The frozen backbone with a fresh head, without adapters, on the training device.
    model: VisionTransformer,
    pub(crate) data: ImageStream,
    /// The block whose input was computed once for every image.
    prefix: Option<usize>,
    classes: usize,
    weights_sha256: Option<String>,
    data_sha256: Option<String>,
    pub(crate) device: Device,
}

impl ImageExperiment {
    /// Open the data, load or pre-train the model, and compute the frozen prefix where the settings
    /// ask for it.
    ///
    /// # Errors
    /// From data, weights or settings.
    pub fn prepare(
        config: ImageExperimentConfig,
        device: &Device,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Self, Error> {
        let device = config.training.activations.on(device);
        device.seed(config.training.seed);
        let splits = config.data.open();
        let splits = splits.map_err(|e| Error::from(e).within("data"))?;
        let stream = Stream::new(&config.stream, &splits);
        let stream = stream.map_err(|e| Error::from(e).within("stream"))?;
        let (classes, size) = (stream.num_labels(), config.model.image_size());
        let data = ImageStream::new(stream, &splits, size, &config.images, &device)?;
        let model = backbone(&config, classes, &splits, &device, on_event)?;
        let weights_sha256 = config.model.weights.as_deref().map(sha256).transpose()?;
        let data_sha256 = config.data.path().map(sha256).transpose()?;
        let prefix = prefix(&data, &model, &config)?;
        let data = match prefix {
            Some(until_block) => data.with_prefix(&model, until_block, &mut |images| {
                on_event(&Event::Prefix { images });
            })?,
            None => data,
        };
        Ok(Self {
            config,
            model,
            data,
            prefix,
            classes,
            weights_sha256,
            data_sha256,
            device,
        })
    }

    /// The same model and data with another method, classifier and training settings.
    ///
    /// # Panics
    /// When `config` needs another model, other data or another cached prefix.
    pub fn with_config(self, config: ImageExperimentConfig) -> Self {
        let serves = self.serves(&config).expect("settings that fit the model");
        assert!(serves, "the configuration needs other inputs");
        Self { config, ..self }
    }

    /// Whether `config` trains on the model and the data at hand.
    fn serves(&self, config: &ImageExperimentConfig) -> Result<bool, Error> {
        Ok(self.config.has_inputs_of(config)
            && prefix(&self.data, &self.model, config)? == self.prefix)
    }

    /// The configuration.
    pub fn config(&self) -> &ImageExperimentConfig {
        &self.config
    }

    fn top_one(&self, identity: TaskIdentity) -> TopOne<'_, ImageBatch> {
        TopOne {
            data: &self.data,
            identity,
            batch_size: self.config.training.evaluation_batch_size,
        }
    }

    /// Scores with the test examples of all tasks in one shuffled sequence.
    fn score_mixed(
        &self,
        method: &dyn Method<VisionTransformer>,
        answering: &Learner<VisionTransformer>,
        after: TaskId,
        seed: u64,
    ) -> Result<Vec<TaskScore>, Error> {
        let mut parts = Vec::new();
        let mut task_of = Vec::new();
        for task in (0..=after.0).map(TaskId) {
            for batch in self.data.test(task, 64)? {
                let batch = batch?;
                task_of.extend(vec![task.0; batch.len()]);
                parts.push(batch);
            }
        }
        let all = ImageBatch::concat(parts);
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let seen = self.data.seen_classes(after);
        let mut row = vec![Cell::default(); after.0 + 1];
        for chunk in order.chunks(self.config.training.evaluation_batch_size) {
            let batch = all.select(chunk);
            let scores = match self.identity() {
                TaskIdentity::Inferred => method.answer(answering, &batch, None)?.scores,
                TaskIdentity::Oracle => {
                    let tasks: Vec<TaskId> = chunk.iter().map(|&i| TaskId(task_of[i])).collect();
                    answer_by_task(method, answering, &batch, tasks)?.scores
                }
            };
            let answers = best_classes(scores, &seen);
            for ((answer, label), &example) in answers.iter().zip(&batch.labels).zip(chunk) {
                let cell = &mut row[task_of[example]];
                cell.total += 1;
                cell.correct += usize::from(answer == label);
            }
        }
        Ok(row.into_iter().map(TaskScore::from).collect())
    }

    pub(crate) fn method(&self) -> Result<Box<dyn Method<VisionTransformer>>, Error> {
        let classifier = self.config.classifier.as_ref();
        let method =
            self.config
                .method
                .build(self.config.training.seed, self.classes, classifier)?;
        Ok(match self.config.router() {
            Some(router) => {
                Box::new(Routed::new(method, &router).map_err(|e| e.within("routing"))?)
            }
            None => method,
        })
    }

    /// Whether the task of a test example is told.
    pub(crate) fn identity(&self) -> TaskIdentity {
        match self.config.inference {
            Inference::Oracle => TaskIdentity::Oracle,
            Inference::Latest | Inference::Routed => self.config.stream.scenario.into(),
        }
    }

    /// Learner and method at the folder's last checkpoint, or at the start.
    pub(crate) fn restored(
        &self,
        folder: &RunFolder,
        method: &mut dyn Method<VisionTransformer>,
    ) -> Result<(Learner<VisionTransformer>, RunResult), Error> {
        let learner = method
            .attach(self.model.clone())
            .map_err(|e| e.within("method"))?;
        let (learner, result) = folder.restore(learner, method, &self.device)?;
        Ok((learner, result.unwrap_or_default()))
    }
}

impl Experiment for ImageExperiment {
    fn reconfigured(self: Box<Self>, config: ExperimentConfig) -> Result<Reconfigured, Error> {
        Ok(match config {
            ExperimentConfig::Images(config) if self.serves(&config)? => {
                Reconfigured::Ready(Box::new(self.with_config(*config)))
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
            tasks: task_names(self.data.tasks()),
            ..Manifest::here(&self.device, self.config.training.seed)
        }
    }

    fn run(
        &self,
        folder: &RunFolder,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<RunSummary, Error> {
        let _lock = take(folder, on_event)?;
        let mut method = self.method()?;
        let (learner, result) = self.restored(folder, method.as_mut())?;
        let run = Run {
            method: method.as_mut(),
            data: &self.data,
            training: &self.config.training,
            device: &self.device,
            scoring: &self.top_one(self.identity()),
            folder: Some(folder),
            on_event,
        };
        let (_, result) = run.train(learner, result)?;
        let identity = RunIdentity {
            label: self.config.label(),
            method: self.config.method_label(),
            seed: self.config.training.seed,
            tasks: task_names(self.data.tasks()),
        };
        let summary = RunSummary::new(identity, result, self.floors(on_event)?);
        folder.write_summary(&summary)?;
        Ok(summary)
    }

    fn floors(&self, on_event: &mut dyn FnMut(&Event)) -> Result<Floors, Error> {
        let mut floors = Floors::new();
        for (name, config) in &self.config.floors {
            let method = FrozenDiscriminant::new(config, self.classes);
            let mut method = method.map_err(|e| e.within(name).within("floors"))?;
            let method: &mut dyn Method<VisionTransformer> = &mut method;
            let learner = method.attach(self.model.clone())?;
            let run = Run {
                method,
                data: &self.data,
                training: &self.config.training,
                device: &self.device,
                scoring: &self.top_one(TaskIdentity::Inferred),
                folder: None,
                on_event: &mut |event| {
                    if matches!(event, Event::Stage { .. }) {
                        on_event(event);
                    }
                },
            };
            let (_, result) = run.train(learner, RunResult::default())?;
            floors.insert(name.clone(), result.matrix.metrics());
        }
        Ok(floors)
    }

    fn score_again(
        &self,
        folder: &RunFolder,
        shuffle: Option<u64>,
    ) -> Result<Vec<TaskScore>, Error> {
        let mut method = self.method()?;
        let (learner, result) = self.restored(folder, method.as_mut())?;
        let stages = self.data.stages(method.exposure());
        let stage = folder.last_stage(&stages, &result)?;
        let (after, answering) = (stage.task.id, method.for_evaluation(&learner)?);
        match shuffle {
            Some(seed) => self.score_mixed(method.as_ref(), &answering, after, seed),
            None => {
                let scoring = self.top_one(self.identity());
                let method = method.as_ref();
                let tasks = (0..=after.0).map(TaskId);
                tasks
                    .map(|on| scoring.score(method, &answering, on, after))
                    .collect()
            }
        }
    }
}

/// The model with a zero head over the stream's classes: loaded, or pre-trained in the run.
fn backbone(
    config: &ImageExperimentConfig,
    classes: usize,
    splits: &Splits,
    device: &Device,
    on_event: &mut dyn FnMut(&Event),
) -> Result<VisionTransformer, Error> {
    let architecture = config.model.architecture(classes);
    let fits = architecture
        .validate()
        .and_then(|()| config.model.precision.check_on(device));
    fits.map_err(|e| e.within("model"))?;
    let model = match (&config.model.weights, &config.pretraining) {
        (Some(weights), _) => {
            VisionTransformer::load(&architecture, weights, HeadSource::Zeros, device)
                .map_err(|e| Error::Data(e.to_string()))?
        }
        (None, Some(pretraining)) => {
            let model = pretrained(config, pretraining, splits, device, on_event)?;
            let mut rng = config.training.seeds().initialisation();
            let zeros = head(architecture.width, classes, 0.0, &mut rng, device);
            model.with_head(zeros)
        }
        (None, None) => {
            let problem = "no weights and no [pretraining]";
            return Err(Error::setting("model.weights", problem));
        }
    };
    Ok(model.in_precision(config.model.precision))
}

/// The block of the first adapter, where its input is to be computed once for every image.
fn prefix(
    data: &ImageStream,
    model: &VisionTransformer,
    config: &ImageExperimentConfig,
) -> Result<Option<usize>, Error> {
    if data.prefix_bytes(model) > config.cache.prefix_bytes || config.images.augmentation.is_on() {
        return Ok(None);
    }
    let Some(lora) = config.method.lora() else {
        return Ok(Some(model.blocks.len()));
    };
    // Attached to a copy only to see where the patterns put adapters.
    let mut rng = Seeds::new(0).initialisation();
    let attached = treelora_lora::attach(model.clone(), lora, &mut rng)
        .map_err(|e| Error::setting("method.lora", e.to_string()))?;
    Ok(Some(
        attached.first_adapted_block().unwrap_or(model.blocks.len()),
    ))
}
