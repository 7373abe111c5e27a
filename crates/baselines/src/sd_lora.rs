//! SD-LoRA (Wu et al., ICLR 2025): directions are kept, magnitudes go on learning.

use std::path::Path;

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use serde::{Deserialize, Serialize};
use treelora_core::{
    Batches, ContinualModel, Error, Group, Learner, LearningRates, Method, Seeds, StepInfo, Task,
    TaskId, read_json, write_json,
};
use treelora_lora::{
    AdapterLayer, AdapterSnapshot, Gates, LoraConfig, Selection, add_frozen_adapter, attach_bank,
    detach, select,
};

use crate::adapter::{adapter_error, attach, attach_to, default_lora, positive, validate};

const STATE: &str = "sd-lora.json";

/// Name in the learner of the magnitudes: of the current adapter, then of the earlier directions.
const MAGNITUDES: &str = "magnitudes";

/// Under the norms of a direction: B starts at 0.
const NORM_FLOOR: f64 = 1e-12;

/// Settings of [`SdLora`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SdLoraConfig {
    /// Where adapters go, their rank and scale; one a task.
    pub lora: LoraConfig,
    /// What every magnitude is at the start of each task (released code: 0.8; on text 1).
    pub magnitude: f64,
    /// Learning rate of the magnitudes; that of the adapters when absent.
    pub magnitude_learning_rate: Option<f64>,
}

impl Default for SdLoraConfig {
    fn default() -> Self {
        Self {
            lora: default_lora(),
            magnitude: 0.8,
            magnitude_learning_rate: None,
        }
    }
}

impl SdLoraConfig {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        validate(&self.lora)?;
        positive("magnitude", self.magnitude)?;
        match self.magnitude_learning_rate {
            Some(rate) => positive("magnitude_learning_rate", rate),
            None => Ok(()),
        }
    }
}

/// `W + a_t A_t B_t + sum_{k<t} a_k A_k B_k / (|A_k| |B_k|)`: the directions of the earlier tasks are frozen, every
/// magnitude `a` is one number for all adapted weights and is trained in every task. One model answers; no task is
/// inferred.
///
/// As in the released code the current product is not normalised, and all magnitudes start anew at each task.
#[derive(Debug)]
pub struct SdLora {
    config: SdLoraConfig,
    seeds: Seeds,
    /// Those of the tasks before the current (between tasks: the last) one, of norm 1 times the scale.
    directions: Vec<AdapterSnapshot>,
    /// As the last task left them; none before its end.
    magnitudes: Vec<f32>,
    tasks: usize,
}

impl SdLora {
    /// With `seed` for the adapters' initial values.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(config: SdLoraConfig, seed: u64) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self {
            config,
            seeds: Seeds::new(seed),
            directions: Vec::new(),
            magnitudes: Vec::new(),
            tasks: 0,
        })
    }

    /// The model under the magnitudes of the learner, in the graph of both.
    ///
    /// # Errors
    /// Before [`begin_task`](Method::begin_task).
    pub fn gated<M: ContinualModel>(&self, learner: &Learner<M>) -> Result<M, Error> {
        let gates = Gates::shared(learner.vector(MAGNITUDES)?);
        Ok(select(learner.model.clone(), Selection::Gated(gates)))
    }
}

/// An adapter whose products have norm 1 at most, times its scale.
fn direction(adapter: &AdapterSnapshot) -> AdapterSnapshot {
    let norm = |factor: &Tensor<2>| {
        let square = factor.clone().square().sum().into_scalar::<f32>();
        f64::from(square).sqrt()
    };
    let layers = adapter.layers().iter().map(|layer| AdapterLayer {
        scale: layer.scale / (norm(&layer.a) * norm(&layer.b)).max(NORM_FLOOR),
        ..layer.clone()
    });
    AdapterSnapshot::from_layers(layers.collect())
}

impl<M: ContinualModel> Method<M> for SdLora {
    fn attach(&mut self, model: M) -> Result<Learner<M>, Error> {
        attach(model, &self.config.lora, self.seeds.initialisation())
    }

    fn begin_task(
        &mut self,
        learner: Learner<M>,
        _data: &dyn Batches<M::Batch>,
        _task: &Task,
    ) -> Result<Learner<M>, Error> {
        let mut learner = learner;
        if self.tasks > 0 {
            // The current adapter comes first, so that its parameters have the same paths in every task.
            let last = AdapterSnapshot::of_adapter(&learner.model, 0);
            self.directions.push(direction(&last));
            let rng = self.seeds.initialisation_for(TaskId(self.tasks));
            learner =
                learner.try_map_model(|model| attach_to(detach(model), &self.config.lora, rng))?;
            for earlier in &self.directions {
                learner = learner
                    .try_map_model(|model| add_frozen_adapter(model, earlier, &Selection::One(0)))
                    .map_err(adapter_error)?;
            }
        }
        let device = learner.model.devices().remove(0);
        let start = Tensor::full([self.directions.len() + 1], self.config.magnitude, &device);
        Ok(learner.with_vector(MAGNITUDES, Group::GATE, start))
    }

    fn learning_rates(&self, base: LearningRates, _step: &StepInfo) -> LearningRates {
        match self.config.magnitude_learning_rate {
            Some(rate) => base.with(Group::GATE, rate),
            None => base,
        }
    }

    fn objective(
        &mut self,
        learner: &Learner<M>,
        batch: &M::Batch,
        _step: &StepInfo,
    ) -> Result<Tensor<1>, Error> {
        Ok(self.gated(learner)?.loss(batch))
    }

    /// The magnitudes leave the learner: between tasks there is nothing to train.
    fn end_task(
        &mut self,
        learner: Learner<M>,
        _data: &dyn Batches<M::Batch>,
        _task: &Task,
    ) -> Result<Learner<M>, Error> {
        let magnitudes = learner.vector(MAGNITUDES)?.into_data();
        self.magnitudes = magnitudes.iter::<f32>().collect();
        self.tasks += 1;
        Ok(learner.without(MAGNITUDES))
    }

    /// Put together anew, since a model that comes from a checkpoint carries the last task's adapter alone.
    fn for_evaluation(&self, learner: &Learner<M>) -> Result<Learner<M>, Error> {
        let answering = learner.valid();
        if self.tasks == 0 {
            return Ok(answering);
        }
        let current = AdapterSnapshot::of_adapter(&answering.model, 0);
        let adapters: Vec<AdapterSnapshot> = std::iter::once(current)
            .chain(self.directions.iter().cloned())
            .collect();
        let magnitudes = self.magnitudes.iter().copied().map(f64::from);
        let weighted = Selection::Weighted(magnitudes.enumerate().collect());
        answering
            .try_map_model(|model| attach_bank(detach(model), &adapters, weighted))
            .map_err(adapter_error)
    }

    fn log(&self) -> Vec<(String, f64)> {
        let newest = self.magnitudes.first().copied().map(f64::from);
        newest
            .map(|value| ("magnitude_of_last_task".to_owned(), value))
            .into_iter()
            .collect()
    }

    fn stored_bytes(&self) -> usize {
        let directions: usize = self.directions.iter().map(AdapterSnapshot::num_bytes).sum();
        directions + self.magnitudes.len() * size_of::<f32>()
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        for (index, direction) in self.directions.iter().enumerate() {
            direction
                .save(&dir.join(file(index)))
                .map_err(adapter_error)?;
        }
        let state = State {
            tasks: self.tasks,
            magnitudes: self.magnitudes.clone(),
        };
        write_json(&dir.join(STATE), &state)
    }

    fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        let state: State = read_json(&dir.join(STATE))?;
        let directions = (0..state.tasks.saturating_sub(1)).map(|index| {
            AdapterSnapshot::load(&dir.join(file(index)), device).map_err(adapter_error)
        });
        self.directions = directions.collect::<Result<_, Error>>()?;
        (self.tasks, self.magnitudes) = (state.tasks, state.magnitudes);
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct State {
    tasks: usize,
    magnitudes: Vec<f32>,
}

fn file(index: usize) -> String {
    format!("sd-lora-direction-{index:04}.safetensors")
}
