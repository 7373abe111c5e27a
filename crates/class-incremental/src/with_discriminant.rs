//! Another method's features under a discriminant head.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use treelora_core::{Batches, Classifier, Error, Method, Task, TaskId, TensorFile};

use crate::{
    delegation::trained_by_inner,
    discriminant::{Discriminant, DiscriminantConfig},
    feature_drift::FeatureDrift,
    feature_rows::FeatureRows,
    feature_transport::TransportConfig,
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
    /// When the settings are out of range, or the discriminant keeps nothing to transport.
    pub fn new(
        inner: Box<dyn Method<M>>,
        config: &DiscriminantConfig,
        transport: Option<TransportConfig>,
        classes: usize,
    ) -> Result<Self, Error> {
        if let Some(transport) = &transport {
            transport.validate("transport")?;
            if matches!(config, DiscriminantConfig::RandomProjection(_)) {
                return Err(Error::setting(
                    "transport",
                    "random projections keep no class means that a drift could be applied to",
                ));
            }
        }
        Ok(Self {
            inner,
            discriminant: config.build(classes)?,
            drift: FeatureDrift::new(transport),
        })
    }

    /// The method below.
    pub fn inner(&self) -> &dyn Method<M> {
        self.inner.as_ref()
    }
}

impl<M: Classifier> Method<M> for WithDiscriminant<M> {
    trained_by_inner!();

    fn attach(&mut self, model: M) -> Result<M, Error> {
        self.inner.attach(model)
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
        let answering = self.inner.for_evaluation(&model);
        let rows = features(&answering, data)?;
        if let Some(transport) = self.drift.end_task(data, &rows)? {
            self.discriminant.transport(&transport)?;
        }
        let device = answering.head().weight.lazy_device().without_autodiff();
        self.discriminant
            .observe(rows.tensor(&device), rows.labels());
        self.discriminant.fit()?;
        Ok(model)
    }

    fn predict(&self, model: &M, batch: &M::Batch) -> Tensor<2> {
        self.discriminant.scores(model.features(batch))
    }

    /// Statistics that a transport moved belong to the newest features alone.
    fn for_task(&self, model: &M, task: TaskId) -> Option<M> {
        match self.drift.is_followed() {
            true => None,
            false => self.inner.for_task(model, task),
        }
    }

    fn infer_tasks(&self, model: &M, batch: &M::Batch) -> Option<Vec<TaskId>> {
        self.inner.infer_tasks(model, batch)
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

/// Features of all images of a task under the attached adapters, in order.
///
/// # Errors
/// When the data cannot be read.
pub fn features<M: Classifier>(
    model: &M,
    data: &dyn Batches<M::Batch>,
) -> Result<FeatureRows, Error> {
    let mut rows = FeatureRows::new();
    for batch in data.batches() {
        let batch = batch?;
        rows.push(model.features(&batch), model.labels(&batch));
    }
    Ok(rows)
}
