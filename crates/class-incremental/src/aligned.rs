//! Another method's head, re-balanced after each task.

use std::path::Path;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use treelora_core::{
    Answer, Batches, Classifier, Error, Learner, Method, Seeds, Task, TaskId, TensorFile,
};

use crate::{
    aligned_head::AlignedHead, feature_drift::FeatureDrift, feature_rows::features,
    feature_transport::TransportConfig, head_alignment::HeadAlignment,
    statistics_config::StatisticsConfig,
};

const FILE: &str = "alignment.safetensors";

/// Settings of [`Aligned`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlignmentConfig {
    /// What is kept of a class.
    pub statistics: StatisticsConfig,
    /// How the head is trained on features sampled from it.
    pub head: HeadAlignment,
    /// How the statistics of earlier tasks follow the adapter; they stay when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<TransportConfig>,
}

impl AlignmentConfig {
    /// Check the settings.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key of this table.
    pub fn validate(&self) -> Result<(), Error> {
        let statistics = self.statistics.validate();
        statistics.map_err(|e| e.within("statistics"))?;
        self.head.validate().map_err(|e| e.within("head"))?;
        match &self.transport {
            Some(transport) => transport.validate().map_err(|e| e.within("transport")),
            None => Ok(()),
        }
    }
}

/// Any method, with its linear head re-balanced over all classes seen after each task from the
/// second on (task-adaptive prediction of HiDe-LoRA, classifier alignment of SLCA).
///
/// After a task the statistics of its classes are taken under the model as it then answers; where a
/// transport is set, those of earlier classes first follow the feature space. The next task starts
/// from the aligned head. What the inner method kept of the head at the end of the task (the
/// weights of EWC, say) is that of before.
pub struct Aligned<M: Classifier> {
    inner: Box<dyn Method<M>>,
    head: AlignedHead,
    drift: FeatureDrift<M>,
    seeds: Seeds,
}

impl<M: Classifier> Aligned<M> {
    /// Around `inner`, with `seed` for clustering and sampled features.
    ///
    /// # Errors
    /// When a setting is out of range, named below `alignment`.
    pub fn new(
        inner: Box<dyn Method<M>>,
        config: &AlignmentConfig,
        seed: u64,
    ) -> Result<Self, Error> {
        config.validate().map_err(|e| e.within("alignment"))?;
        Ok(Self {
            inner,
            head: AlignedHead::new(config.statistics.clone(), config.head.clone()),
            drift: FeatureDrift::new(config.transport.clone()),
            seeds: Seeds::new(seed),
        })
    }
}

impl<M: Classifier> Method<M> for Aligned<M> {
    fn inner(&self) -> Option<&dyn Method<M>> {
        Some(self.inner.as_ref())
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Method<M>> {
        Some(self.inner.as_mut())
    }

    /// # Errors
    /// Also when the head is not trained: a checkpoint holds what is trained, and would lose it. It is a setting of the
    /// inner method, and named so.
    fn attach(&mut self, model: M) -> Result<Learner<M>, Error> {
        let learner = self.inner.attach(model)?;
        match learner.model.head().weight.is_require_grad() {
            true => Ok(learner),
            false => Err(Error::setting(
                "lora.trainable",
                "the head is frozen, so that it cannot be aligned",
            )),
        }
    }

    fn begin_task(
        &mut self,
        learner: Learner<M>,
        data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<Learner<M>, Error> {
        self.drift
            .begin_task(|| self.inner.for_evaluation(&learner))?;
        self.inner.begin_task(learner, data, task)
    }

    fn end_task(
        &mut self,
        learner: Learner<M>,
        data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<Learner<M>, Error> {
        let learner = self.inner.end_task(learner, data, task)?;
        let answering = self.inner.for_evaluation(&learner)?;
        let rows = features(&answering.model, data)?;
        if let Some(transport) = self.drift.end_task(data, &rows)? {
            self.head.transport(&transport);
        }
        let mut rng = self.seeds.alignment(task.id);
        self.head.observe(&rows, &mut rng)?;
        let head = self.head.align(learner.model.head().clone(), &mut rng);
        Ok(learner.map_model(|model| model.with_head(head)))
    }

    /// Statistics that a transport moved belong to the newest features alone.
    fn for_task(&self, answering: &Learner<M>, task: TaskId) -> Result<Option<Learner<M>>, Error> {
        match self.drift.is_followed() {
            true => Ok(None),
            false => self.inner.for_task(answering, task),
        }
    }

    fn answer(
        &self,
        answering: &Learner<M>,
        batch: &M::Batch,
        told: Option<TaskId>,
    ) -> Result<Answer, Error> {
        let told = told.filter(|_| !self.drift.is_followed());
        self.inner.answer(answering, batch, told)
    }

    fn stored_bytes(&self) -> usize {
        self.inner.stored_bytes() + self.head.num_bytes()
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        self.inner.save(dir)?;
        let mut file = TensorFile::new();
        self.head.save("head", &mut file);
        Ok(file.save(&dir.join(FILE))?)
    }

    fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        self.inner.load(dir, device)?;
        self.head
            .load("head", &TensorFile::load(&dir.join(FILE))?)?;
        self.drift.resume();
        Ok(())
    }
}
