//! A small vision transformer from base classes.

use std::path::Path;

use burn::{
    module::Module,
    optim::{AdamWConfig, ModuleOptimizer},
    tensor::Device,
};
use treelora_cl_bench::{StreamData, dataset::Splits, sha256, stream::Stream};
use treelora_core::{Error, Exposure, Learner, LearningRates, Seeds, StepInfo, TaskId, write_json};
use treelora_models::vit::{ImageBatch, VisionTransformer, VitConfig};

use super::{Pretraining, PretrainingReport, whole_model::WholeModel};
use crate::{
    config::{
        image_experiment_config::ImageExperimentConfig,
        image_pretraining_config::PretrainingConfig, training::Schedule,
    },
    event::Event,
    run::{run_loop::trainable_parameters, training_step::TrainingStep},
    streams::image_stream::ImageStream,
};

/// Train all parameters of a fresh model on `data`, whose single stage holds the base classes.
///
/// # Errors
/// When the data cannot be read or the loss is not finite.
pub fn pretrain(
    config: &PretrainingConfig,
    architecture: &VitConfig,
    data: &dyn StreamData<ImageBatch>,
    seed: u64,
    device: &Device,
    on_event: &mut dyn FnMut(&Event),
) -> Result<VisionTransformer, Error> {
    let seeds = Seeds::new(seed);
    let model = architecture.init(&mut seeds.initialisation(), device);
    let mut learner = Learner::of(model.map_err(|e| e.within("model"))?);
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
                let training_step = TrainingStep {
                    info,
                    batches: 1,
                    first_batch: step,
                    rates: LearningRates::new(rate, rate),
                    factor: 1.0,
                    groups: &groups,
                };
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
pub(crate) fn pretrained(
    config: &ImageExperimentConfig,
    pretraining: &PretrainingConfig,
    splits: &Splits,
    device: &Device,
    on_event: &mut dyn FnMut(&Event),
) -> Result<VisionTransformer, Error> {
    let stream = Stream::new(&pretraining.stream(), splits);
    let stream = stream.map_err(|e| Error::from(e).within("pretraining"))?;
    let architecture = config.model.architecture(stream.num_labels());
    let size = config.model.image_size();
    let data = ImageStream::new(stream, splits, size, &config.images, device)?;
    let seed = config.training.seed;
    pretrain(pretraining, &architecture, &data, seed, device, on_event)
}

/// The `[pretraining]` of an experiment with its data at hand.
///
/// The folder of the model has `model.safetensors` and `config.json` in timm's layout, and
/// [`pretraining.json`](PretrainingReport), written last. It is the model that a run of the
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
    /// When the experiment has no `[pretraining]`, or from the data.
    pub fn prepare(config: ImageExperimentConfig) -> Result<Self, Error> {
        let Some(pretraining) = config.pretraining.clone() else {
            let problem = "the file has no [pretraining], which says what to learn and how long";
            return Err(Error::setting("pretraining", problem));
        };
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
        let model = pretrained(config, &self.pretraining, splits, &device, &mut on_step)?;
        let (mean, std) = config.images.normalization.mean_and_std();
        model.save(folder, &mean, &std)?;

        let mut report = PretrainingReport::here(config, &device)?;
        report.note_losses(&losses);
        report.parameters = model.num_params();
        let data = config.data.path().map(sha256);
        report.data_sha256 = data.transpose()?;
        let classes = self.pretraining.classes.len();
        report.data = [("base_classes".to_owned(), classes)].into();
        write_json(&folder.join("pretraining.json"), &report)?;
        Ok(report)
    }
}
