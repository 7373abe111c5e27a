//! The floors: a discriminant on the features of the frozen backbone.

use std::path::Path;

use burn::tensor::Device;
use treelora_core::{
    Answer, Batches, Classifier, Error, Learner, Method, Task, TaskId, TensorFile,
};

use crate::discriminant::{Discriminant, DiscriminantConfig};

const FILE: &str = "frozen-discriminant.safetensors";

/// A method that trains nothing: nearest class mean, LDA or random-projection ridge on
/// [`Features::frozen_features`](treelora_core::Features::frozen_features), task by task, through the same loop and into the same matrix
/// as the methods that it is the floor of.
#[derive(Debug)]
pub struct FrozenDiscriminant {
    discriminant: Box<dyn Discriminant>,
}

impl FrozenDiscriminant {
    /// Over `classes` classes.
    ///
    /// # Errors
    /// When the settings are out of range.
    pub fn new(config: &DiscriminantConfig, classes: usize) -> Result<Self, Error> {
        Ok(Self {
            discriminant: config.build(classes)?,
        })
    }
}

impl<M: Classifier> Method<M> for FrozenDiscriminant {
    /// Freeze everything, so that there is nothing to train.
    fn attach(&mut self, model: M) -> Result<Learner<M>, Error> {
        Ok(Learner::of(model.no_grad()))
    }

    fn end_task(
        &mut self,
        learner: Learner<M>,
        data: &dyn Batches<M::Batch>,
        _task: &Task,
    ) -> Result<Learner<M>, Error> {
        let answering = learner.model.valid();
        for batch in data.batches() {
            let batch = batch?;
            let features = answering.frozen_features(&batch);
            self.discriminant
                .observe(features, answering.labels(&batch));
        }
        self.discriminant.fit()?;
        Ok(learner)
    }

    fn answer(
        &self,
        answering: &Learner<M>,
        batch: &M::Batch,
        _told: Option<TaskId>,
    ) -> Result<Answer, Error> {
        let features = answering.model.frozen_features(batch);
        Ok(Answer::of(self.discriminant.scores(features)))
    }

    fn stored_bytes(&self) -> usize {
        self.discriminant.num_bytes()
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        let mut file = TensorFile::new();
        self.discriminant.save("discriminant", &mut file);
        Ok(file.save(&dir.join(FILE))?)
    }

    fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        let file = TensorFile::load(&dir.join(FILE))?;
        self.discriminant.load("discriminant", &file, device)
    }
}
