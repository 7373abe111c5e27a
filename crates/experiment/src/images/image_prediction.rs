//! A run's answers on new images.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;
use treelora_cl_bench::{
    BatchIterator, StreamData,
    dataset::{LeftOut, UnlabelledImages, images_in},
    image_pipeline::{ImagePipeline, View},
    stream::TaskIdentity,
};
use treelora_core::{Error, TaskId};
use treelora_models::vision::{ImageBatch, VisionModel};

use crate::{
    event::Event,
    experiment::Experiment,
    folder::checkpoint::RunFolder,
    images::image_inputs::{ImageInputs, identity},
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
        let restored = self.restored(folder)?;
        let after = self.last_task(folder, &restored)?;
        let Restored {
            method, learner, ..
        } = restored;
        let data = &self.inputs.data;
        let allowed = match (request.task, identity(&self.config)) {
            (Some(task), _) if task.0 > after.0 => {
                let problem = format!("task {}, but the run has come to task {after}", task.0);
                return Err(Error::setting("--task", problem));
            }
            (Some(task), _) => data.allowed(task, after),
            (None, TaskIdentity::Inferred) => data.seen_classes(after),
            (None, TaskIdentity::Oracle) => {
                let problem = "this run's inference has to be told the task of each image";
                return Err(Error::setting("--task", problem));
            }
        };
        let answering = method.for_evaluation(&learner)?;
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
}

impl<M: VisionModel> PreparedExperiment<ImageInputs<M>> {
    /// Pixels of image files.
    fn batches_of(&self, images: &[PathBuf]) -> Result<BatchIterator<'static, ImageBatch>, Error> {
        let dataset = Arc::new(UnlabelledImages::new(images.to_vec()));
        let size = self.config().model.family.image_size();
        let pipeline = ImagePipeline::new(dataset, &[Some(0)], size, &self.config().images);
        let pipeline = pipeline.map_err(|e| Error::from(e).within("images"))?;
        let order: Vec<usize> = (0..images.len()).collect();
        let batch_size = self.config().training.evaluation_batch_size;
        Ok(decoded(
            &pipeline,
            &order,
            batch_size,
            View::Plain,
            &self.device,
        ))
    }

    /// The best of the allowed labels, the lowest first on ties.
    fn best(&self, row: &[f32], allowed: &[usize], count: usize) -> Vec<ScoredClass> {
        let mut labels = allowed.to_vec();
        labels.sort_by(|&left, &right| {
            let scores = row[right].total_cmp(&row[left]);
            scores.then(left.cmp(&right))
        });
        let names = self.inputs.data.stream().label_names();
        let best = labels.into_iter().take(count);
        best.map(|label| ScoredClass {
            name: names[label].clone(),
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
