//! Another method's head, re-balanced after each task.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use treelora_core::{Batches, Classifier, Error, Method, Task, TaskId, TensorFile};

use crate::{
    aligned_head::AlignedHead, delegation::trained_by_inner, feature_drift::FeatureDrift,
    feature_transport::TransportConfig, head_alignment::HeadAlignment,
    statistics_config::StatisticsConfig, with_discriminant::features,
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
    /// [`Error::Setting`] below `key`.
    pub fn validate(&self, key: &str) -> Result<(), Error> {
        self.statistics.validate(&format!("{key}.statistics"))?;
        self.head.validate(&format!("{key}.head"))?;
        match &self.transport {
            Some(transport) => transport.validate(&format!("{key}.transport")),
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
    seed: u64,
}

impl<M: Classifier> Aligned<M> {
    /// Around `inner`, with `seed` for clustering and sampled features.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(
        inner: Box<dyn Method<M>>,
        config: &AlignmentConfig,
        seed: u64,
    ) -> Result<Self, Error> {
        config.validate("alignment")?;
        Ok(Self {
            inner,
            head: AlignedHead::new(config.statistics.clone(), config.head.clone()),
            drift: FeatureDrift::new(config.transport.clone()),
            seed,
        })
    }

    /// The method below.
    pub fn inner(&self) -> &dyn Method<M> {
        self.inner.as_ref()
    }
}

impl<M: Classifier> Method<M> for Aligned<M> {
    trained_by_inner!();

    /// # Errors
    /// Also when the head is not trained: a checkpoint holds what is trained, and would lose it.
    fn attach(&mut self, model: M) -> Result<M, Error> {
        let model = self.inner.attach(model)?;
        match model.head().weight.is_require_grad() {
            true => Ok(model),
            false => Err(Error::setting(
                "method.lora.trainable",
                "the head is frozen, so that it cannot be aligned",
            )),
        }
    }

    fn begin_task(&mut self, model: M, task: &Task) -> Result<M, Error> {
        self.drift.begin_task(|| self.inner.for_evaluation(&model));
        self.inner.begin_task(model, task)
    }

    fn end_task(
        &mut self,
        model: M,
        data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<M, Error> {
        let model = self.inner.end_task(model, data, task)?;
        let rows = features(&self.inner.for_evaluation(&model), data)?;
        if let Some(transport) = self.drift.end_task(data, &rows)? {
            self.head.transport(&transport);
        }
        // From the place in the stream alone, so that a resumed run draws the same.
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(1 + task.id.0 as u64);
        self.head.observe(&rows, &mut rng)?;
        let head = self.head.align(model.head().clone(), &mut rng);
        Ok(model.with_head(head))
    }

    fn predict(&self, model: &M, batch: &M::Batch) -> Tensor<2> {
        self.inner.predict(model, batch)
    }

    /// Statistics that a transport moved belong to the newest features alone.
    fn for_task(&self, model: &M, task: TaskId) -> Option<M> {
        match self.drift.is_followed() {
            true => None,
            false => self.inner.for_task(model, task),
        }
    }

    fn predict_with_task(&self, model: &M, batch: &M::Batch, task: TaskId) -> Tensor<2> {
        match self.drift.is_followed() {
            true => self.predict(model, batch),
            false => self.inner.predict_with_task(model, batch, task),
        }
    }

    fn infer_tasks(&self, model: &M, batch: &M::Batch) -> Option<Vec<TaskId>> {
        self.inner.infer_tasks(model, batch)
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
