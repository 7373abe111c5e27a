//! A run's answers on new images.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use burn::tensor::Device;
use serde::Serialize;
use treelora_cl_bench::{
    BatchIterator,
    dataset::{LeftOut, Splits, UnlabelledImages, images_in},
    image_pipeline::{ImagePipeline, View},
    seen_classes, sha256,
    stream::{Stream, StreamOutline, TaskIdentity},
};
use treelora_core::{Error, TaskId};
use treelora_models::vision::{FamilyVisitor, ImageBatch, VisionModel};

use crate::{
    config::image_experiment_config::ImageExperimentConfig,
    event::Event,
    experiment::Experiment,
    folder::checkpoint::RunFolder,
    images::image_inputs::{ImageInputs, backbone, identity, method_of},
    prepared::{PreparedExperiment, Restored},
    streams::image_stream::decoded,
};

/// The best classes of one image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImagePrediction {
    /// The file.
    pub image: PathBuf,
    /// The task whose adapter answered, where the method or the caller says one.
    pub task: Option<usize>,
    /// Best first.
    pub classes: Vec<ScoredClass>,
}

/// A class and how well it fits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScoredClass {
    /// Name in the data set.
    pub name: String,
    /// Label in the stream.
    pub label: usize,
    /// Comparable within an image only: a logit, or a discriminant's value.
    pub score: f32,
}

/// What is asked of a run.
#[derive(Clone, Copy, Debug)]
pub struct PredictionRequest {
    /// The task of all images, where it is known.
    pub task: Option<TaskId>,
    /// Classes an image, at most.
    pub classes: usize,
}

/// An experiment on images, with a model of any family.
pub trait ImageExperiment: Experiment {
    /// Answers of the run's last checkpoint on image files, among the classes seen so far; with a
    /// task, those that the scenario allows for it.
    ///
    /// # Errors
    /// When an image does not decode, the run has no checkpoint or has not come to the task, or
    /// when its inference needs to be told the task.
    fn predict(
        &self,
        folder: &RunFolder,
        images: &[PathBuf],
        request: PredictionRequest,
    ) -> Result<Vec<ImagePrediction>, Error>;
}

impl<M: VisionModel> ImageExperiment for PreparedExperiment<ImageInputs<M>> {
    fn predict(
        &self,
        folder: &RunFolder,
        images: &[PathBuf],
        request: PredictionRequest,
    ) -> Result<Vec<ImagePrediction>, Error> {
        let answering = Answering {
            config: &self.config,
            outline: &self.inputs.data.stream().outline(),
            device: &self.device,
            restored: self.restored(folder)?,
        };
        answering.predict(folder, images, request)
    }
}

impl ImageExperimentConfig {
    /// As [`ImageExperiment::predict`], for the run in `folder` that these are the settings of, without its data: the
    /// classes are known from the folder and the model from its weights. The data are read where a run of an earlier
    /// version has not kept its classes, or where the model is pre-trained in the run.
    ///
    /// # Errors
    /// As [`ImageExperiment::predict`], from the weights, and when weights (or data that are read) are not the run's.
    pub fn predict(
        self,
        folder: &RunFolder,
        images: &[PathBuf],
        request: PredictionRequest,
        device: &Device,
    ) -> Result<Vec<ImagePrediction>, Error> {
        let family = self.model.family.clone();
        family.visit(Predict {
            config: self,
            folder,
            images,
            request,
            device,
        })
    }

    /// The data, which must be those of the run.
    fn data_of(&self, folder: &RunFolder) -> Result<Splits, Error> {
        let hash = self.data.path().map(sha256).transpose()?;
        folder.check_data(hash)?;
        self.data.open().map_err(|e| Error::from(e).within("data"))
    }
}

struct Predict<'a> {
    config: ImageExperimentConfig,
    folder: &'a RunFolder,
    images: &'a [PathBuf],
    request: PredictionRequest,
    device: &'a Device,
}

impl FamilyVisitor for Predict<'_> {
    type Output = Result<Vec<ImagePrediction>, Error>;

    fn visit<M: VisionModel>(self, _shape: &M::Shape) -> Self::Output {
        let Self { config, folder, .. } = self;
        let weights = config.model.weights.as_deref().map(sha256).transpose()?;
        folder.check_weights(weights)?;
        let outline = match folder.outline()? {
            Some(outline) => outline,
            None => {
                let stream = Stream::new(&config.stream, &config.data_of(folder)?);
                stream
                    .map_err(|e| Error::from(e).within("stream"))?
                    .outline()
            }
        };
        let device = config.training.activations.on(self.device);
        device.seed(config.training.seed);
        let classes = outline.label_names.len();
        let data = || config.data_of(folder);
        let model: M = backbone(&config, classes, data, &device, &mut |_| {})?;
        let method = method_of(&config, classes)?;
        let answering = Answering {
            restored: Restored::from(folder, method, model, &device)?,
            config: &config,
            outline: &outline,
            device: &device,
        };
        answering.predict(folder, self.images, self.request)
    }
}

/// A run's model at its last checkpoint, and what its answers mean.
struct Answering<'a, M: VisionModel> {
    config: &'a ImageExperimentConfig,
    outline: &'a StreamOutline,
    device: &'a Device,
    restored: Restored<M>,
}

impl<M: VisionModel> Answering<'_, M> {
    fn predict(
        self,
        folder: &RunFolder,
        images: &[PathBuf],
        request: PredictionRequest,
    ) -> Result<Vec<ImagePrediction>, Error> {
        let allowed = self.allowed(folder, request.task)?;
        let Restored {
            method, learner, ..
        } = &self.restored;
        let answering = method.for_evaluation(learner)?;
        let mut predictions = Vec::with_capacity(images.len());
        for batch in self.batches_of(images)? {
            let batch = batch?;
            let answer = method.answer(&answering, &batch, request.task)?;
            let width = answer.scores.dims()[1];
            let scores: Vec<f32> = answer.scores.into_data().iter::<f32>().collect();
            for (index, row) in scores.chunks_exact(width).enumerate() {
                let inferred = answer.tasks.as_ref().map(|tasks| tasks[index]);
                predictions.push(ImagePrediction {
                    image: images[predictions.len()].clone(),
                    task: request.task.or(inferred).map(|task| task.0),
                    classes: self.best(row, &allowed, request.classes),
                });
            }
        }
        Ok(predictions)
    }

    /// The labels that may be answered, of a task where it is told.
    fn allowed(&self, folder: &RunFolder, task: Option<TaskId>) -> Result<Vec<usize>, Error> {
        let after = self.restored.last_task(folder, &self.outline.tasks)?;
        let refused = |problem: String| Err(Error::setting("--task", problem));
        match (task, identity(self.config)) {
            (Some(task), _) if task.0 > after.0 => {
                refused(format!("task {task}, but the run has come to task {after}"))
            }
            (Some(task), _) => Ok(self.outline.allowed(task, after)),
            (None, TaskIdentity::Inferred) => Ok(seen_classes(&self.outline.tasks[..=after.0])),
            (None, TaskIdentity::Oracle) => {
                refused("this run's inference has to be told the task of each image".into())
            }
        }
    }

    /// Pixels of image files.
    fn batches_of(&self, images: &[PathBuf]) -> Result<BatchIterator<'static, ImageBatch>, Error> {
        let dataset = Arc::new(UnlabelledImages::new(images.to_vec()));
        let size = self.config.model.family.image_size();
        let pipeline = ImagePipeline::new(dataset, &[Some(0)], size, &self.config.images);
        let pipeline = pipeline.map_err(|e| Error::from(e).within("images"))?;
        let order: Vec<usize> = (0..images.len()).collect();
        let batch_size = self.config.training.evaluation_batch_size;
        Ok(decoded(
            &pipeline,
            &order,
            batch_size,
            View::Plain,
            self.device,
        ))
    }

    /// The best of the allowed labels, the lowest first on ties.
    fn best(&self, row: &[f32], allowed: &[usize], count: usize) -> Vec<ScoredClass> {
        let mut labels = allowed.to_vec();
        labels.sort_by(|&left, &right| {
            let scores = row[right].total_cmp(&row[left]);
            scores.then(left.cmp(&right))
        });
        let best = labels.into_iter().take(count);
        best.map(|label| ScoredClass {
            name: self.outline.label_names[label].clone(),
            label,
            score: row[label],
        })
        .collect()
    }
}

/// Image files given as files and folders: a folder stands for the images directly in it, by name. What else is in it
/// is a warning.
///
/// # Errors
/// When a path does not exist or a folder holds no image.
pub fn image_files(
    paths: &[PathBuf],
    on_event: &mut dyn FnMut(&Event),
) -> Result<Vec<PathBuf>, Error> {
    let (mut files, mut left_out) = (Vec::new(), LeftOut::default());
    for path in paths {
        match path.is_dir() {
            true => files.extend(images_in(path, &mut left_out)?),
            false => files.push(existing(path)?.to_owned()),
        }
    }
    if let Some(message) = left_out.describe() {
        on_event(&Event::Warning { message });
    }
    Ok(files)
}

fn existing(path: &Path) -> Result<&Path, Error> {
    std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    Ok(path)
}
