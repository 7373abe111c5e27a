//! A few examples of every past task.

use std::{collections::BTreeMap, path::Path};

use burn::{
    optim::GradientsParams,
    tensor::{Device, Tensor},
};
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use treelora_core::{
    Batch, Batches, ContinualModel, Error, Learner, Seeds, TaskId, TensorFile, read_json,
    write_json,
};

use crate::flat_parameters::FlatParameters;

/// Examples by task.
#[derive(Debug)]
pub(crate) struct EpisodicMemory<B> {
    tasks: BTreeMap<TaskId, B>,
    num_bytes: usize,
}

impl<B: Batch> EpisodicMemory<B> {
    pub(crate) fn new() -> Self {
        Self {
            tasks: BTreeMap::new(),
            num_bytes: 0,
        }
    }

    /// Keep `count` examples of a task, drawn without replacement (all, where there are fewer).
    ///
    /// # Errors
    /// When the data cannot be read.
    pub(crate) fn store(
        &mut self,
        task: TaskId,
        data: &dyn Batches<B>,
        count: usize,
        seeds: Seeds,
    ) -> Result<(), Error> {
        let mut rng = seeds.kept_examples(task);
        let mut chosen = index::sample(&mut rng, data.len(), count.min(data.len())).into_vec();
        chosen.sort_unstable();
        let (mut parts, mut start) = (Vec::new(), 0);
        for batch in data.batches() {
            let batch = batch?;
            parts.extend(among(&batch, &chosen, start));
            start += batch.len();
        }
        if parts.is_empty() {
            return Err(Error::Data(format!("task {task} has no example to keep")));
        }
        self.tasks.insert(task, B::concat(parts));
        let mut file = TensorFile::new();
        for (task, batch) in &self.tasks {
            batch.save(&task.to_string(), &mut file);
        }
        self.num_bytes = file.num_bytes();
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The examples of each task, in the order of the tasks.
    pub(crate) fn batches(&self) -> impl Iterator<Item = &B> {
        self.tasks.values()
    }

    /// `count` examples of all tasks together, drawn without replacement (all, where there are
    /// fewer).
    pub(crate) fn draw(&self, count: usize, rng: &mut ChaCha8Rng) -> Vec<B> {
        let total: usize = self.tasks.values().map(Batch::len).sum();
        let mut chosen = index::sample(rng, total, count.min(total)).into_vec();
        chosen.sort_unstable();
        let (mut parts, mut start) = (Vec::new(), 0);
        for batch in self.tasks.values() {
            parts.extend(among(batch, &chosen, start));
            start += batch.len();
        }
        parts
    }

    pub(crate) fn num_bytes(&self) -> usize {
        self.num_bytes
    }

    /// # Errors
    /// When writing fails.
    pub(crate) fn save(&self, dir: &Path) -> Result<(), Error> {
        let mut file = TensorFile::new();
        for (task, batch) in &self.tasks {
            batch.save(&format!("task-{:04}", task.0), &mut file);
        }
        let tasks: Vec<TaskId> = self.tasks.keys().copied().collect();
        file.save(&dir.join("memory.safetensors"))?;
        write_json(&dir.join("memory.json"), &(tasks, self.num_bytes))
    }

    /// # Errors
    /// When a file is missing or damaged.
    pub(crate) fn load(dir: &Path, device: &Device) -> Result<Self, Error> {
        let (tasks, num_bytes): (Vec<TaskId>, usize) = read_json(&dir.join("memory.json"))?;
        let file = TensorFile::load(&dir.join("memory.safetensors"))?;
        let tasks = tasks
            .into_iter()
            .map(|task| {
                Ok((
                    task,
                    B::load(&format!("task-{:04}", task.0), &file, device)?,
                ))
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self { tasks, num_bytes })
    }
}

/// The examples of `batch` whose places, counted from `start`, are among `chosen`; `None` without.
fn among<B: Batch>(batch: &B, chosen: &[usize], start: usize) -> Option<B> {
    let places = start..start + batch.len();
    let here: Vec<usize> = chosen
        .iter()
        .filter(|place| places.contains(place))
        .map(|place| place - start)
        .collect();
    (!here.is_empty()).then(|| batch.select(&here))
}

/// Gradient of the mean loss over the examples of `batches`, as one vector.
///
/// `chunk` examples go through the model at a time; it changes the result by rounding alone.
pub(crate) fn gradient<M: ContinualModel>(
    learner: &Learner<M>,
    parameters: &FlatParameters,
    batches: &[M::Batch],
    chunk: usize,
) -> Tensor<1> {
    let total: usize = batches.iter().map(Batch::len).sum();
    let mut sum: Option<Tensor<1>> = None;
    for batch in batches {
        let indices: Vec<usize> = (0..batch.len()).collect();
        for part in indices.chunks(chunk) {
            let loss = learner.model.loss(&batch.select(part));
            let gradients = GradientsParams::from_grads(loss.backward(), learner);
            let share = part.len() as f64 / total as f64;
            let gradient = parameters.gradients(learner, &gradients) * share;
            sum = Some(match sum {
                Some(sum) => sum + gradient,
                None => gradient,
            });
        }
    }
    sum.expect("a memory of at least one example")
}
