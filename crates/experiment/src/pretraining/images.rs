//! A small vision model from base classes.

use std::path::Path;

use burn::{
    optim::{AdamWConfig, ModuleOptimizer},
    tensor::Device,
};
use treelora_cl_bench::{StreamData, dataset::Splits, sha256, stream::Stream};
use treelora_core::{Error, Exposure, Learner, Seeds, StepInfo, TaskId, write_json};
use treelora_models::vision::{FamilyVisitor, ImageBatch, VisionModel, VisionShape, WeightFiles};

use super::{
    Pretraining, PretrainingReport,
    whole_model::{WholeModel, step_at},
};
use crate::{
    config::{
        image_experiment_config::ImageExperimentConfig,
        image_pretraining_config::PretrainingConfig, training::Schedule,
    },
    event::Event,
    run::run_loop::trainable_parameters,
    streams::image_stream::ImageStream,
};

/// Train all parameters of a fresh `model` on `data`, whose single stage holds the base classes.
///
/// # Errors
/// When the data cannot be read or the loss is not finite.
pub fn pretrain<M: VisionModel>(
    model: M,
    config: &PretrainingConfig,
    data: &dyn StreamData<ImageBatch>,
    seeds: Seeds,
    on_event: &mut dyn FnMut(&Event),
) -> Result<M, Error> {
    let mut learner = Learner::of(model);
    let groups = learner.groups(&[]);
    let mut optimizer: ModuleOptimizer = AdamWConfig::new()
        .with_epsilon(1e-8)
        .with_weight_decay(config.weight_decay as f32)
        .init();
    for stage in data.stages(Exposure::AllTasks) {
        let steps = data.train_len(&stage).div_ceil(config.batch_size);
        on_event(&Event::Stage {
            task: stage.task.clone(),
            steps: steps * config.epochs,
            done: 0,
            trainable_parameters: trainable_parameters(&learner),
        });
        for epoch in 0..config.epochs {
            let order = seeds.pretraining_order(epoch);
            let mut batches = data.epoch(&stage, config.batch_size, order, 0)?;
            for step in 0..steps {
                let info = StepInfo {
                    task: TaskId(0),
                    epoch,
                    epochs: config.epochs,
                    step,
                    steps,
                };
                // One epoch of linear warm-up: a transformer from scratch needs it.
                let warm_up = ((info.step_in_task() + 1) as f64 / steps as f64).min(1.0);
                let rate = config.learning_rate * Schedule::Cosine.factor(&info) * warm_up;
                let training_step = step_at(rate, info, &groups);
                let report;
                (learner, report) =
                    training_step.take(&mut WholeModel, learner, &mut optimizer, &mut batches)?;
                on_event(&Event::Step {
                    step: info,
                    examples: report.examples,
                    loss: report.loss,
                    learning_rate: rate,
                    terms: Vec::new(),
                });
            }
        }
    }
    Ok(learner.model)
}

/// The model of an experiment without weights, trained on its base classes with its seed; the head
/// scores those.
///
/// # Errors
/// From settings, data or a loss that is not finite.
pub(crate) fn pretrained<M: VisionModel>(
    config: &ImageExperimentConfig,
    shape: &M::Shape,
    pretraining: &PretrainingConfig,
    splits: &Splits,
    device: &Device,
    on_event: &mut dyn FnMut(&Event),
) -> Result<M, Error> {
    let stream = Stream::new(&pretraining.stream(), splits);
    let stream = stream.map_err(|e| Error::from(e).within("pretraining"))?;
    let (classes, size) = (stream.num_labels(), shape.image_size());
    let data = ImageStream::new(stream, splits, size, &config.images, device)?;
    let seeds = config.training.seeds();
    let model = M::from_scratch(shape, classes, &mut seeds.initialisation(), device);
    let model = model.map_err(|e| e.within("model"))?;
    pretrain(model, pretraining, &data, seeds, on_event)
}

/// The `[pretraining]` of an experiment with its data at hand.
///
/// The folder of the model has `model.safetensors` and `config.json` in the family's format, for the vision transformer
/// timm's, and [`pretraining.json`](PretrainingReport), written last. It is the model that a run of the
/// experiment makes when it is given no weights.
pub struct ImagePretraining {
    config: ImageExperimentConfig,
    pretraining: PretrainingConfig,
    splits: Splits,
}

impl ImagePretraining {
    /// Open the data.
    ///
    /// # Errors
    /// When the experiment has no `[pretraining]` or its family of models no files, or from the data.
    pub fn prepare(config: ImageExperimentConfig) -> Result<Self, Error> {
        let Some(pretraining) = config.pretraining.clone() else {
            let problem = "the file has no [pretraining], which says what to learn and how long";
            return Err(Error::setting("pretraining", problem));
        };
        if !config.model.family.has_files() {
            let problem = format!(
                "a model of the family `{}` has no weight files: it is pre-trained in the run alone",
                config.model.family.name()
            );
            return Err(Error::setting("model.family", problem));
        }
        let splits = config.data.open();
        let splits = splits.map_err(|e| Error::from(e).within("data"))?;
        Ok(Self {
            config,
            pretraining,
            splits,
        })
    }
}

impl Pretraining for ImagePretraining {
    fn run(
        &self,
        folder: &Path,
        device: &Device,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<PretrainingReport, Error> {
        let (config, splits) = (&self.config, &self.splits);
        let device = device.clone().autodiff();
        device.seed(config.training.seed);
        let mut losses = Vec::new();
        let mut on_step = |event: &Event| {
            if let Event::Step { loss, .. } = event {
                losses.push(*loss);
            }
            on_event(event);
        };
        let parameters = config.model.family.visit(Written {
            config,
            pretraining: &self.pretraining,
            splits,
            folder,
            device: &device,
            on_event: &mut on_step,
        })?;

        let mut report = PretrainingReport::here(config, &device)?;
        report.note_losses(&losses);
        report.parameters = parameters;
        let data = config.data.path().map(sha256);
        report.data_sha256 = data.transpose()?;
        let classes = self.pretraining.classes.len();
        report.data = [("base_classes".to_owned(), classes)].into();
        write_json(&folder.join("pretraining.json"), &report)?;
        Ok(report)
    }
}

/// Trains a model of any family and writes it.
struct Written<'a> {
    config: &'a ImageExperimentConfig,
    pretraining: &'a PretrainingConfig,
    splits: &'a Splits,
    folder: &'a Path,
    device: &'a Device,
    on_event: &'a mut dyn FnMut(&Event),
}

impl FamilyVisitor for Written<'_> {
    /// The number of the model's parameters.
    type Output = Result<usize, Error>;

    fn visit<M: VisionModel>(self, shape: &M::Shape) -> Self::Output {
        let model: M = pretrained(
            self.config,
            shape,
            self.pretraining,
            self.splits,
            self.device,
            self.on_event,
        )?;
        if let Some(WeightFiles { save, .. }) = M::files() {
            let (mean, std) = self.config.images.normalization.mean_and_std();
            save(&model, self.folder, &mean, &std)?;
        }
        Ok(model.num_params())
    }
}
