//! The head over all classes, and what is kept to re-balance it.

use burn::{
    nn::Linear,
    tensor::{Device, Tensor},
};
use rand::Rng;
use treelora_core::{Error, TensorFile};

use crate::{
    class_statistics::ClassStatistics, feature_rows::FeatureRows,
    feature_transport::FeatureTransport, head_alignment::HeadAlignment,
    statistics_config::StatisticsConfig,
};

/// Statistics of every class seen, from which the head is aligned after each task from the second
/// on: a single task has nothing to be balanced against.
#[derive(Clone, Debug)]
pub struct AlignedHead {
    config: StatisticsConfig,
    alignment: HeadAlignment,
    statistics: ClassStatistics,
    tasks: usize,
}

impl AlignedHead {
    /// With no task observed.
    pub fn new(statistics: StatisticsConfig, alignment: HeadAlignment) -> Self {
        Self {
            statistics: ClassStatistics::new(statistics.clone()),
            config: statistics,
            alignment,
            tasks: 0,
        }
    }

    /// Move what is kept into the feature space of a new adapter.
    pub fn transport(&mut self, transport: &FeatureTransport) {
        self.statistics.transport(transport);
    }

    /// Take the statistics of a finished task's features; `rng` seeds the clustering, where there
    /// is one.
    ///
    /// # Errors
    /// When a feature is not finite.
    pub fn observe(&mut self, rows: &FeatureRows, rng: &mut impl Rng) -> Result<(), Error> {
        self.statistics.observe(rows, rng)?;
        self.tasks += 1;
        Ok(())
    }

    /// The head, trained on features sampled from the statistics; as it is after the first task.
    pub fn align(&self, head: Linear, rng: &mut impl Rng) -> Linear {
        match self.tasks {
            0 | 1 => head,
            _ => self.alignment.align(head, &self.statistics, rng),
        }
    }

    /// Means of all classes (all centroids, where classes have several); `None` before a task.
    ///
    /// # Shapes
    /// `[centroids, features]`.
    pub fn means(&self, device: &Device) -> Option<Tensor<2>> {
        (!self.statistics.is_empty()).then(|| self.statistics.means(device))
    }

    /// Bytes that are kept from task to task.
    pub fn num_bytes(&self) -> usize {
        self.statistics.num_bytes()
    }

    /// Write everything under `prefix`.
    pub fn save(&self, prefix: &str, file: &mut TensorFile) {
        self.statistics.save(&format!("{prefix}.statistics"), file);
        file.insert_indices(format!("{prefix}.tasks"), [self.tasks]);
    }

    /// Read what [`save`](Self::save) wrote under `prefix`.
    ///
    /// # Errors
    /// When a tensor is missing or its size does not fit the others.
    pub fn load(&mut self, prefix: &str, file: &TensorFile) -> Result<(), Error> {
        let name = format!("{prefix}.tasks");
        let tasks = file.indices(&name)?;
        let [tasks] = tasks[..] else {
            let count = tasks.len();
            let problem = format!("tensor `{name}` has {count} values, expected 1");
            return Err(file.unfit(problem).into());
        };
        self.tasks = tasks;
        let prefix = format!("{prefix}.statistics");
        self.statistics = ClassStatistics::load(self.config.clone(), &prefix, file)?;
        Ok(())
    }
}
