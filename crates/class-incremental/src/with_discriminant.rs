//! Another method's features under a discriminant head.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use treelora_core::{
    Answer, Batches, Classifier, Error, Learner, Method, Task, TaskId, TensorFile, as_told,
};

use crate::{
    discriminant::{Discriminant, DiscriminantConfig},
    feature_drift::FeatureDrift,
    feature_rows::{FeatureRows, features},
    feature_transport::{FeatureTransport, TransportConfig},
};

const FILE: &str = "discriminant.safetensors";

/// Any method, answered by a discriminant on the adapted features instead of the linear head.
///
/// Training is the inner method's. After each task the discriminant takes in the features of the
/// task's images under the adapted model. Where a transport is set, what it knows of earlier
/// classes is first moved along with the feature space: the same images go through the model as it
/// was before the task and as it is now, and the map between the two is applied to the stored
/// statistics. No image of an earlier task is needed.
pub struct WithDiscriminant<M: Classifier> {
    inner: Box<dyn Method<M>>,
    discriminant: Box<dyn Discriminant>,
    drift: FeatureDrift<M>,
}

impl<M: Classifier> WithDiscriminant<M> {
    /// Put a discriminant over `classes` classes on `inner`.
    ///
    /// # Errors
    /// When the settings are out of range, named below `discriminant` and `transport`, or the discriminant keeps nothing
    /// to transport.
    pub fn new(
        inner: Box<dyn Method<M>>,
        config: &DiscriminantConfig,
        transport: Option<TransportConfig>,
        classes: usize,
    ) -> Result<Self, Error> {
        config.validate_transport(transport.as_ref())?;
        Ok(Self {
            inner,
            discriminant: config
                .build(classes)
                .map_err(|e| e.within("discriminant"))?,
            drift: FeatureDrift::new(transport),
        })
    }
}

impl<M: Classifier> Method<M> for WithDiscriminant<M> {
    fn inner(&self) -> Option<&dyn Method<M>> {
        Some(self.inner.as_ref())
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Method<M>> {
        Some(self.inner.as_mut())
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
        let answering = self.inner.for_evaluation(&learner)?.model;
        let rows = features(&answering, data)?;
        let transport = self.drift.end_task(data, &rows)?;
        follow(self.discriminant.as_mut(), transport, &rows, &answering)?;
        Ok(learner)
    }

    /// Statistics that a transport moved belong to the newest features alone.
    fn for_task(&self, answering: &Learner<M>, task: TaskId) -> Result<Option<Learner<M>>, Error> {
        match self.drift.is_followed() {
            true => Ok(None),
            false => self.inner.for_task(answering, task),
        }
    }

    /// The discriminant needs no task.
    fn infer_tasks(&self, _frozen_features: &dyn Fn() -> Tensor<2>) -> Option<Vec<TaskId>> {
        None
    }

    /// The inner method is not asked: it is the discriminant that answers, and it needs no task.
    fn answer(
        &self,
        answering: &Learner<M>,
        batch: &M::Batch,
        told: Option<TaskId>,
    ) -> Result<Answer, Error> {
        let answering = as_told(self, answering, told)?;
        let features = answering.model.features(batch);
        Ok(Answer::of(self.discriminant.scores(features)))
    }

    fn stored_bytes(&self) -> usize {
        self.inner.stored_bytes() + self.discriminant.num_bytes()
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        self.inner.save(dir)?;
        let mut file = TensorFile::new();
        self.discriminant.save("discriminant", &mut file);
        Ok(file.save(&dir.join(FILE))?)
    }

    fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        self.inner.load(dir, device)?;
        let file = TensorFile::load(&dir.join(FILE))?;
        self.discriminant.load("discriminant", &file, device)?;
        self.drift.resume();
        Ok(())
    }
}

/// Move what is known into the features of `model`, take in its features of a task, and solve.
///
/// # Errors
/// From [`Discriminant::transport`] and [`Discriminant::fit`].
pub(crate) fn follow<M: Classifier>(
    discriminant: &mut dyn Discriminant,
    transport: Option<FeatureTransport>,
    rows: &FeatureRows,
    model: &M,
) -> Result<(), Error> {
    if let Some(transport) = transport {
        discriminant.transport(&transport)?;
    }
    let device = model.head().weight.lazy_device().without_autodiff();
    discriminant.observe(rows.tensor(&device), rows.labels());
    discriminant.fit()
}
