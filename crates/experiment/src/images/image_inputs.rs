//! What an experiment on images is made of: a vision model and tasks of labelled pictures.

use burn::tensor::Device;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use treelora_cl_bench::{
    StreamData,
    dataset::Splits,
    metrics::{Cell, TaskScore, best_classes},
    stream::{Stream, TaskIdentity},
};
use treelora_class_incremental::{FrozenDiscriminant, Routed, answer_by_task};
use treelora_core::{Batch, Error, Learner, Method, Seeds, TaskId};
use treelora_models::vision::{ImageBatch, VisionModel, VisionShape, WeightFiles, head};

use crate::{
    config::{
        evaluation::EvaluationRows, image_experiment_config::ImageExperimentConfig,
        inference::Inference,
    },
    event::{Event, RunResult},
    folder::{checkpoint::RunFolder, summary::Floors},
    inputs::Inputs,
    pretraining::pretrained,
    run::{
        evaluation::{Scoring, TopOne},
        run_loop::Run,
    },
    streams::image_stream::ImageStream,
};

/// A vision model and image tasks.
pub struct ImageInputs<M> {
    /// The frozen backbone with a fresh head, without adapters, on the training device.
    model: M,
    pub(crate) data: ImageStream,
    /// The block whose input was computed once for every image.
    prefix: Option<usize>,
    classes: usize,
}

/// Whether the task of a test example is told.
pub(crate) fn identity(config: &ImageExperimentConfig) -> TaskIdentity {
    match config.inference {
        Inference::Oracle => TaskIdentity::Oracle,
        Inference::Latest | Inference::Routed => config.stream.scenario.into(),
    }
}

impl<M: VisionModel> ImageInputs<M> {
    fn top_one(
        &self,
        config: &ImageExperimentConfig,
        identity: TaskIdentity,
    ) -> TopOne<'_, ImageBatch> {
        TopOne {
            data: &self.data,
            identity,
            batch_size: config.training.evaluation_batch_size,
        }
    }
}

impl<M: VisionModel> Inputs for ImageInputs<M> {
    type Settings = ImageExperimentConfig;
    type Model = M;

    fn open(
        config: &ImageExperimentConfig,
        device: &Device,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Self, Error> {
        let splits = config.data.open();
        let splits = splits.map_err(|e| Error::from(e).within("data"))?;
        for split in [&splits.train, &splits.test] {
            if let Some(message) = split.left_out().map(str::to_owned) {
                on_event(&Event::Warning { message });
            }
        }
        let stream = Stream::new(&config.stream, &splits);
        let stream = stream.map_err(|e| Error::from(e).within("stream"))?;
        let fits = config.training.validate_for(stream.tasks().len());
        fits.map_err(|e| e.within("training"))?;
        let (classes, size) = (stream.num_labels(), config.model.family.image_size());
        let data = ImageStream::new(stream, &splits, size, &config.images, device)?;
        let model = backbone(config, classes, || Ok(splits), device, on_event)?;
        let prefix = prefix(&data, &model, config)?;
        let data = match prefix {
            Some(until_block) => data.with_prefix(&model, until_block, &mut |images| {
                on_event(&Event::Prefix { images });
            })?,
            None => data,
        };
        Ok(Self {
            model,
            data,
            prefix,
            classes,
        })
    }

    /// When the next configuration asks for the prefix that was computed, too.
    fn reused(self, next: &ImageExperimentConfig) -> Result<Option<Self>, Error> {
        let same = prefix(&self.data, &self.model, next)? == self.prefix;
        Ok(same.then_some(self))
    }

    fn model(&self) -> &M {
        &self.model
    }

    fn data(&self) -> &dyn StreamData<ImageBatch> {
        &self.data
    }

    fn method(&self, config: &ImageExperimentConfig) -> Result<Box<dyn Method<M>>, Error> {
        method_of(config, self.classes)
    }

    fn scoring<'a>(
        &'a self,
        config: &'a ImageExperimentConfig,
        _folder: Option<&'a RunFolder>,
    ) -> Box<dyn Scoring<M> + 'a> {
        Box::new(self.top_one(config, identity(config)))
    }

    fn floors(
        &self,
        config: &ImageExperimentConfig,
        device: &Device,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Floors, Error> {
        let mut floors = Floors::new();
        for (name, discriminant) in &config.floors {
            let method = FrozenDiscriminant::new(discriminant, self.classes);
            let mut method = method.map_err(|e| e.within(name).within("floors"))?;
            let method: &mut dyn Method<M> = &mut method;
            let learner = method.attach(self.model.clone())?;
            let run = Run {
                method,
                data: &self.data,
                training: &config.training,
                device,
                scoring: &self.top_one(config, TaskIdentity::Inferred),
                rows: EvaluationRows::All,
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

    fn describe(&self, folder: &RunFolder) -> Result<(), Error> {
        folder.write_outline(&self.data.stream().outline())
    }

    fn score_mixed(
        &self,
        config: &ImageExperimentConfig,
        method: &dyn Method<M>,
        answering: &Learner<M>,
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
        for chunk in order.chunks(config.training.evaluation_batch_size) {
            let batch = all.select(chunk);
            let scores = match identity(config) {
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
}

/// The method that learns `classes` classes.
pub(crate) fn method_of<M: VisionModel>(
    config: &ImageExperimentConfig,
    classes: usize,
) -> Result<Box<dyn Method<M>>, Error> {
    let (seed, classifier) = (config.training.seed, config.classifier.as_ref());
    let method = config.method.build(seed, classes, classifier)?;
    Ok(match config.router() {
        Some(router) => Box::new(Routed::new(method, &router).map_err(|e| e.within("routing"))?),
        None => method,
    })
}

/// The model with a zero head over the stream's classes: loaded, or pre-trained in the run on the data, which nothing
/// else needs.
pub(crate) fn backbone<M: VisionModel>(
    config: &ImageExperimentConfig,
    classes: usize,
    splits: impl FnOnce() -> Result<Splits, Error>,
    device: &Device,
    on_event: &mut dyn FnMut(&Event),
) -> Result<M, Error> {
    let refused = |key: &str, problem: &str| Err(Error::setting(key, problem));
    let Some(shape) = config.model.family.shape_of::<M>() else {
        return refused("model.family", "the settings are those of another family");
    };
    let fits = shape
        .validate(classes)
        .and_then(|()| config.model.precision.check_on(device));
    fits.map_err(|e| e.within("model"))?;
    let model: M = match (&config.model.weights, &config.pretraining) {
        (Some(weights), _) => match M::files() {
            Some(WeightFiles {
                load,
                uncertainties,
                ..
            }) => {
                let model = load(shape, classes, weights, device)?;
                for message in uncertainties(shape, weights) {
                    on_event(&Event::Warning { message });
                }
                model
            }
            None => return refused("model.weights", "the family has no weight files"),
        },
        (None, Some(pretraining)) => {
            let model: M = pretrained(config, shape, pretraining, &splits()?, device, on_event)?;
            let mut rng = config.training.seeds().initialisation();
            let [features, _] = model.head().weight.dims();
            let zeros = head(features, classes, 0.0, &mut rng, device);
            model.with_head(zeros)
        }
        (None, None) => return refused("model.weights", "no weights and no [pretraining]"),
    };
    Ok(model.in_precision(config.model.precision))
}

/// The block up to which nothing changes, where its input is to be computed once for every image.
fn prefix(
    data: &ImageStream,
    model: &impl VisionModel,
    config: &ImageExperimentConfig,
) -> Result<Option<usize>, Error> {
    if data.prefix_bytes(model) > config.cache.prefix_bytes || config.images.augmentation.is_on() {
        return Ok(None);
    }
    let Some(lora) = config.method.lora() else {
        return Ok(Some(model.depth()));
    };
    // Attached to a copy only to see where the patterns put adapters.
    let mut rng = Seeds::new(0).initialisation();
    let attached = treelora_lora::attach(model.clone(), lora, &mut rng)
        .map_err(|e| Error::setting("method.lora", e.to_string()))?;
    Ok(attached.frozen_until())
}
