//! Another method's adapters, each under a discriminant of its own.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::Path,
};

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use treelora_core::{
    Answer, Batches, Classifier, Error, Learner, Method, Task, TaskId, TensorFile, as_told,
};

use crate::{
    discriminant::{Discriminant, DiscriminantConfig},
    feature_drift::FeatureDrift,
    feature_rows::features,
    feature_transport::TransportConfig,
    routing::answer_by_task,
    task_inference::TaskInference,
    with_discriminant::follow,
};

const FILE: &str = "discriminants.safetensors";

/// A method that keeps several adapters, answered by a discriminant on the features of the one that an example is
/// inferred to belong to.
///
/// One frozen pass finds the adapter: a discriminant over all pairs of a task and a class on the frozen backbone's
/// features. One pass under that adapter finds the class: a discriminant over the classes that were learned with it.
/// Tasks that share an adapter ([`Method::adapter_of`]) share its discriminant; where a transport is set, what it knows
/// is moved along as the adapter is trained on. Examples are answered one by one, so that neither batch size nor mixture
/// matters.
///
/// Training is the inner method's.
pub struct DiscriminantPerAdapter<M: Classifier> {
    inner: Box<dyn Method<M>>,
    config: DiscriminantConfig,
    classes: usize,
    router: TaskInference,
    /// By the adapter, which goes by its first task.
    discriminants: BTreeMap<TaskId, Box<dyn Discriminant>>,
    drift: FeatureDrift<M>,
}

impl<M: Classifier> DiscriminantPerAdapter<M> {
    /// A discriminant over `classes` classes on each adapter of `inner`, chosen by `router`.
    ///
    /// # Errors
    /// When the settings are out of range, named below `discriminant`, `router` and `transport`.
    pub fn new(
        inner: Box<dyn Method<M>>,
        config: &DiscriminantConfig,
        router: &DiscriminantConfig,
        transport: Option<TransportConfig>,
        classes: usize,
    ) -> Result<Self, Error> {
        config.validate().map_err(|e| e.within("discriminant"))?;
        config.validate_transport(transport.as_ref())?;
        Ok(Self {
            inner,
            config: config.clone(),
            classes,
            router: TaskInference::new(router).map_err(|e| e.within("router"))?,
            discriminants: BTreeMap::new(),
            drift: FeatureDrift::new(transport),
        })
    }
}

impl<M: Classifier> Method<M> for DiscriminantPerAdapter<M> {
    fn inner(&self) -> Option<&dyn Method<M>> {
        Some(self.inner.as_ref())
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Method<M>> {
        Some(self.inner.as_mut())
    }

    /// The features of an adapter drift while it is trained on; a new one has none that could.
    fn begin_task(
        &mut self,
        learner: Learner<M>,
        data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<Learner<M>, Error> {
        let learner = self.inner.begin_task(learner, data, task)?;
        let adapter = self.inner.adapter_of(task.id);
        if self.discriminants.contains_key(&adapter) {
            self.drift.begin_task(|| Ok(learner.valid()))?;
        }
        Ok(learner)
    }

    fn end_task(
        &mut self,
        learner: Learner<M>,
        data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<Learner<M>, Error> {
        let learner = self.inner.end_task(learner, data, task)?;
        let answering = self.inner.for_evaluation(&learner)?;
        self.router.end_task(&answering.model, data, task.id)?;
        let own = as_told(self.inner.as_ref(), &answering, Some(task.id))?;
        let rows = features(&own.model, data)?;
        let transport = self.drift.end_task(data, &rows)?;
        let discriminant = match self.discriminants.entry(self.inner.adapter_of(task.id)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(self.config.build(self.classes)?),
        };
        follow(discriminant.as_mut(), transport, &rows, &own.model)?;
        Ok(learner)
    }

    fn infer_tasks(&self, frozen_features: &dyn Fn() -> Tensor<2>) -> Option<Vec<TaskId>> {
        self.router.infer_adapters(self, frozen_features)
    }

    fn answer(
        &self,
        answering: &Learner<M>,
        batch: &M::Batch,
        told: Option<TaskId>,
    ) -> Result<Answer, Error> {
        let Some(task) = told else {
            let adapters = self.infer_tasks(&|| answering.model.frozen_features(batch));
            let adapters = adapters.ok_or_else(|| Error::Data("no task was learned".into()))?;
            return answer_by_task(self, answering, batch, adapters);
        };
        let discriminant = self.discriminants.get(&self.adapter_of(task));
        let discriminant =
            discriminant.ok_or_else(|| Error::Data(format!("task {task} was not learned")))?;
        let own = as_told(self.inner.as_ref(), answering, told)?;
        Ok(Answer::of(discriminant.scores(own.model.features(batch))))
    }

    fn stored_bytes(&self) -> usize {
        let discriminants = self.discriminants.values().map(|one| one.num_bytes());
        self.inner.stored_bytes() + self.router.num_bytes() + discriminants.sum::<usize>()
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        self.inner.save(dir)?;
        let mut file = TensorFile::new();
        self.router.save("router", &mut file);
        file.insert_indices("adapters", self.discriminants.keys().map(|task| task.0));
        for (task, discriminant) in &self.discriminants {
            discriminant.save(&prefix(*task), &mut file);
        }
        Ok(file.save(&dir.join(FILE))?)
    }

    fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        self.inner.load(dir, device)?;
        let file = TensorFile::load(&dir.join(FILE))?;
        let device = device.clone().without_autodiff();
        self.router.load("router", &file, &device)?;
        let read = file.indices("adapters")?.into_iter().map(|task| {
            let mut discriminant = self.config.build(self.classes)?;
            discriminant.load(&prefix(TaskId(task)), &file, &device)?;
            Ok((TaskId(task), discriminant))
        });
        self.discriminants = read.collect::<Result<_, Error>>()?;
        self.drift.resume();
        Ok(())
    }
}

fn prefix(adapter: TaskId) -> String {
    format!("discriminant.{:04}", adapter.0)
}
