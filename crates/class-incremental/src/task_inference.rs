//! Which task does an example belong to?

use burn::tensor::{Device, Tensor};
use treelora_core::{Batches, Error, Features, Method, TaskId, TensorFile};

use crate::{
    discriminant::{Discriminant, DiscriminantConfig},
    feature_rows::host,
    feature_transport::FeatureTransport,
};

/// Task identity from a discriminant over all classes seen, usually on frozen features.
///
/// Each pair of a task and a class is a class of its own to the discriminant, so that tasks may
/// share classes (domain-incremental streams).
#[derive(Debug)]
pub struct TaskInference {
    discriminant: Box<dyn Discriminant>,
    /// Task and label of each column of the discriminant.
    columns: Vec<(TaskId, usize)>,
}

impl TaskInference {
    /// With nothing observed.
    ///
    /// # Errors
    /// When the settings are out of range.
    pub fn new(config: &DiscriminantConfig) -> Result<Self, Error> {
        Ok(Self {
            discriminant: config.build(0)?,
            columns: Vec::new(),
        })
    }

    /// Take in features of a task; they count from the next [`fit`](Self::fit) on.
    ///
    /// # Shapes
    /// `[batch, features]`, one label a row.
    pub fn observe(&mut self, features: Tensor<2>, labels: &[usize], task: TaskId) {
        let columns: Vec<usize> = labels
            .iter()
            .map(|&label| self.column(task, label))
            .collect();
        self.discriminant.observe(features, &columns);
    }

    /// Take in the frozen backbone's features of a finished task, by the model's groups of examples, and solve.
    ///
    /// # Errors
    /// When the data cannot be read, and from [`Discriminant::fit`].
    pub fn end_task<M: Features>(
        &mut self,
        answering: &M,
        data: &dyn Batches<M::Batch>,
        task: TaskId,
    ) -> Result<(), Error> {
        for batch in data.batches() {
            let batch = batch?;
            let features = answering.frozen_features(&batch);
            self.observe(features, &answering.groups(&batch), task);
        }
        self.fit()
    }

    fn column(&mut self, task: TaskId, label: usize) -> usize {
        let known = self
            .columns
            .iter()
            .position(|column| *column == (task, label));
        known.unwrap_or_else(|| {
            self.columns.push((task, label));
            self.columns.len() - 1
        })
    }

    /// Solve the discriminant.
    ///
    /// # Errors
    /// From [`Discriminant::fit`].
    pub fn fit(&mut self) -> Result<(), Error> {
        self.discriminant.fit()
    }

    /// Move what is stored into another feature space.
    ///
    /// # Errors
    /// From [`Discriminant::transport`].
    pub fn transport(&mut self, transport: &FeatureTransport) -> Result<(), Error> {
        self.discriminant.transport(transport)
    }

    /// Number of tasks: one more than the largest seen.
    pub fn num_tasks(&self) -> usize {
        self.columns
            .iter()
            .map(|(task, _)| task.0 + 1)
            .max()
            .unwrap_or(0)
    }

    /// The task of the class with the largest score.
    ///
    /// # Shapes
    /// `[batch, features]` -> one task a row.
    ///
    /// # Panics
    /// Before [`fit`](Self::fit).
    pub fn infer(&self, features: Tensor<2>) -> Vec<TaskId> {
        let scores = self.discriminant.scores(features);
        let width = scores.dims()[1];
        host(scores)
            .chunks_exact(width)
            .map(|row| {
                let mut best = 0;
                for column in 1..self.columns.len() {
                    if row[column] > row[best] {
                        best = column;
                    }
                }
                self.columns[best].0
            })
            .collect()
    }

    /// The adapter of `method` that answers each row, by the first of its tasks ([`Method::adapter_of`]); the features are
    /// asked for where a task is known.
    pub(crate) fn infer_adapters<M: Features>(
        &self,
        method: &dyn Method<M>,
        frozen_features: &dyn Fn() -> Tensor<2>,
    ) -> Option<Vec<TaskId>> {
        (self.num_tasks() > 0).then(|| {
            let tasks = self.infer(frozen_features());
            tasks.iter().map(|&task| method.adapter_of(task)).collect()
        })
    }

    /// Bytes that are kept from task to task.
    pub fn num_bytes(&self) -> usize {
        self.discriminant.num_bytes()
    }

    /// Write what was fitted under `prefix`.
    pub fn save(&self, prefix: &str, file: &mut TensorFile) {
        let (tasks, labels): (Vec<_>, Vec<_>) = self
            .columns
            .iter()
            .map(|(task, label)| (task.0, *label))
            .unzip();
        file.insert_indices(format!("{prefix}.columns.task"), tasks);
        file.insert_indices(format!("{prefix}.columns.label"), labels);
        if !self.columns.is_empty() {
            self.discriminant
                .save(&format!("{prefix}.discriminant"), file);
        }
    }

    /// Read what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// When a tensor is missing or misshaped.
    pub fn load(&mut self, prefix: &str, file: &TensorFile, device: &Device) -> Result<(), Error> {
        let tasks = file.indices(&format!("{prefix}.columns.task"))?;
        let labels = file.indices(&format!("{prefix}.columns.label"))?;
        if tasks.len() != labels.len() {
            let (tasks, labels) = (tasks.len(), labels.len());
            let problem = format!("`{prefix}.columns`: {tasks} tasks, {labels} labels");
            return Err(file.unfit(problem).into());
        }
        self.columns = tasks.into_iter().map(TaskId).zip(labels).collect();
        if self.columns.is_empty() {
            return Ok(());
        }
        self.discriminant
            .load(&format!("{prefix}.discriminant"), file, device)
    }
}
