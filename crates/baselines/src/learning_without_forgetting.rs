//! Learning without forgetting (Li and Hoiem, ECCV 2016).

use std::{collections::BTreeSet, path::Path};

use burn::{
    module::Module,
    tensor::{
        Device, Int, Tensor,
        activation::{log_softmax, softmax},
    },
};
use serde::{Deserialize, Serialize};
use treelora_core::{
    Batches, ContinualModel, Error, Learner, Method, Seeds, StepInfo, Task, read_json, write_json,
};
use treelora_lora::LoraConfig;

use crate::{
    adapter::{attach, default_lora, not_negative, positive, validate},
    graph::on_graph,
};

const FILE: &str = "lwf.json";

/// Settings of [`Lwf`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LwfConfig {
    /// Where adapters go, their rank and scale.
    pub lora: LoraConfig,
    /// Weight of the distillation.
    pub strength: f64,
    /// Temperature of both distributions.
    pub temperature: f64,
}

impl Default for LwfConfig {
    fn default() -> Self {
        Self {
            lora: default_lora(),
            strength: 0.5,
            temperature: 2.0,
        }
    }
}

impl LwfConfig {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        validate(&self.lora)?;
        not_negative("strength", self.strength)?;
        positive("temperature", self.temperature)
    }
}

/// `loss + strength T^2 KL(old || new)`: on the new task's examples, the answers about the earlier
/// tasks' classes stay what the model before the task gave, both softened by the temperature T.
///
/// Tasks without classes (text) distil every position over the whole vocabulary. The new model
/// is run once more for its scores. The original first trains the new head alone on frozen features;
/// here head and adapter learn together, as in every other contender.
pub struct Lwf<M: ContinualModel> {
    config: LwfConfig,
    seeds: Seeds,
    /// The model before the current task; none in the first.
    old: Option<Learner<M>>,
    learned: Learned,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Learned {
    tasks: usize,
    classes: BTreeSet<usize>,
}

impl<M: ContinualModel> Lwf<M> {
    /// With `seed` for the adapter's initial values.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(config: LwfConfig, seed: u64) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self {
            config,
            seeds: Seeds::new(seed),
            old: None,
            learned: Learned::default(),
        })
    }

    /// `T^2 KL(old || new)`, the mean over the rows of the scores; `None` in the first task.
    ///
    /// # Shapes
    /// `[1]`.
    pub fn distillation(&self, learner: &Learner<M>, batch: &M::Batch) -> Option<Tensor<1>> {
        let old = self.old.as_ref()?;
        let new = self.softened(learner.model.logits(batch));
        let old = self.softened(old.model.logits(batch).detach().without_autodiff());
        let rows = old.dims()[0] as f64;
        let difference = on_graph(log_softmax(old.clone(), 1), &new) - log_softmax(new.clone(), 1);
        let divergence = (on_graph(softmax(old, 1), &new) * difference).sum() / rows;
        Some(divergence * self.config.temperature.powi(2))
    }

    /// Scores of the earlier classes over the temperature.
    fn softened(&self, scores: Tensor<2>) -> Tensor<2> {
        let scores = scores / self.config.temperature;
        if self.learned.classes.is_empty() {
            return scores;
        }
        let classes: Vec<i32> = self.learned.classes.iter().map(|&c| c as i32).collect();
        let classes = Tensor::<1, Int>::from_ints(classes.as_slice(), &scores.device());
        scores.select(1, classes)
    }
}

impl<M: ContinualModel> Method<M> for Lwf<M> {
    fn attach(&mut self, model: M) -> Result<Learner<M>, Error> {
        attach(model, &self.config.lora, self.seeds.initialisation())
    }

    fn begin_task(
        &mut self,
        learner: Learner<M>,
        _data: &dyn Batches<M::Batch>,
        _task: &Task,
    ) -> Result<Learner<M>, Error> {
        self.old = (self.learned.tasks > 0).then(|| learner.valid());
        Ok(learner)
    }

    fn objective(
        &mut self,
        learner: &Learner<M>,
        batch: &M::Batch,
        _step: &StepInfo,
    ) -> Result<Tensor<1>, Error> {
        let loss = learner.model.loss(batch);
        Ok(match self.distillation(learner, batch) {
            Some(distillation) => loss + distillation * self.config.strength,
            None => loss,
        })
    }

    fn end_task(
        &mut self,
        learner: Learner<M>,
        _data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<Learner<M>, Error> {
        self.old = None;
        self.learned.tasks += 1;
        self.learned.classes.extend(&task.classes);
        Ok(learner)
    }

    /// The old model is the model itself until a task begins: only the classes are kept.
    fn stored_bytes(&self) -> usize {
        self.learned.classes.len() * size_of::<usize>()
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        write_json(&dir.join(FILE), &self.learned)
    }

    fn load(&mut self, dir: &Path, _device: &Device) -> Result<(), Error> {
        self.learned = read_json(&dir.join(FILE))?;
        Ok(())
    }
}
