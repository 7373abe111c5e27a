//! O-LoRA (Wang et al., Findings of EMNLP 2023): each task's adapter in a subspace of its own.

use std::path::Path;

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor},
};
use serde::{Deserialize, Serialize};
use treelora_core::{
    Batches, ContinualModel, Error, Learner, Method, Seeds, StepInfo, Task, TaskId, read_json,
    write_json,
};
use treelora_lora::{
    AdapterSnapshot, LoraConfig, Selection, adapters_at, add_frozen_adapter, attach_bank, detach,
};

use crate::adapter::{adapter_error, attach, default_lora, not_negative, validate};

const EARLIER: &str = "olora-earlier.safetensors";
const STATE: &str = "olora.json";

/// Places of the adapters on each weight: the current task's comes first, so that its parameters
/// have the same paths in every task and a checkpoint finds them.
const CURRENT: usize = 0;
const EARLIER_TASKS: usize = 1;

/// Settings of [`OLora`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OLoraConfig {
    /// Where adapters go, their rank and scale; one a task.
    pub lora: LoraConfig,
    /// lambda 1: weight of the overlap with the earlier adapters.
    pub orthogonality: f64,
    /// lambda 2: weight of the norms of the current adapter's factors.
    pub weight_norm: f64,
}

impl Default for OLoraConfig {
    fn default() -> Self {
        Self {
            lora: default_lora(),
            orthogonality: 0.5,
            weight_norm: 0.0,
        }
    }
}

impl OLoraConfig {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        validate(&self.lora)?;
        not_negative("orthogonality", self.orthogonality)?;
        not_negative("weight_norm", self.weight_norm)
    }
}

/// A new adapter for each task beside the frozen ones of the earlier tasks, pushed out of the
/// space that their A span: `loss + lambda1 sum_l ||A_earlier^T A||_1 + lambda2 sum ||A||_2 +
/// ||B||_2`. The sum of all adapters answers, so that no task needs to be inferred.
///
/// The earlier adapters are one adapter of their factors side by side: A `[d_in, tasks * rank]`, B
/// `[tasks * rank, d_out]`.
#[derive(Debug)]
pub struct OLora {
    config: OLoraConfig,
    seeds: Seeds,
    /// The adapters of the tasks before the current (between tasks: the last) one.
    earlier: Option<AdapterSnapshot>,
    tasks: usize,
    last_overlap: Option<Tensor<1>>,
}

impl OLora {
    /// With `seed` for the adapters' initial values.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(config: OLoraConfig, seed: u64) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self {
            config,
            seeds: Seeds::new(seed),
            earlier: None,
            tasks: 0,
            last_overlap: None,
        })
    }

    /// `sum_l ||A_earlier^T A||_1` over the adapted weights, without its weight; `None` in the first
    /// task.
    ///
    /// # Shapes
    /// `[1]`.
    ///
    /// # Panics
    /// When the model is not the one that [`begin_task`](Method::begin_task) gave back.
    pub fn overlap<M: Module>(&self, model: &M) -> Option<Tensor<1>> {
        self.earlier.as_ref()?;
        let earlier = adapters_at(model, EARLIER_TASKS).into_iter();
        let overlaps =
            earlier
                .zip(adapters_at(model, CURRENT))
                .map(|((_, earlier), (_, current))| {
                    let products = earlier.a.val().transpose().matmul(current.a.val());
                    products.abs().sum()
                });
        overlaps.reduce(|left, right| left + right)
    }

    /// Sum of the norms of the current adapter's factors.
    fn weight_norm<M: Module>(&self, model: &M) -> Option<Tensor<1>> {
        let norm = |factor: &Param<Tensor<2>>| (factor.val().square().sum() + NORM_FLOOR).sqrt();
        let norms = adapters_at(model, CURRENT)
            .into_iter()
            .map(|(_, adapter)| norm(&adapter.a) + norm(&adapter.b));
        norms.reduce(|left, right| left + right)
    }

    /// Put the last task's adapter beside the earlier ones.
    fn close(&mut self, last: AdapterSnapshot) -> Result<(), Error> {
        let all = self.earlier.iter().chain([&last]);
        let all: Vec<(&AdapterSnapshot, f64)> = all.map(|adapter| (adapter, 1.0)).collect();
        self.earlier = Some(AdapterSnapshot::stacked(&all).map_err(adapter_error)?);
        Ok(())
    }
}

/// Under the root of a norm: B starts at 0, where the norm itself has no gradient.
const NORM_FLOOR: f64 = 1e-12;

fn all_tasks() -> Selection {
    Selection::Sum(vec![CURRENT, EARLIER_TASKS])
}

impl<M: ContinualModel> Method<M> for OLora {
    fn attach(&mut self, model: M) -> Result<Learner<M>, Error> {
        attach(model, &self.config.lora, self.seeds.initialisation())
    }

    fn begin_task(
        &mut self,
        learner: Learner<M>,
        _data: &dyn Batches<M::Batch>,
        _task: &Task,
    ) -> Result<Learner<M>, Error> {
        if self.tasks == 0 {
            return Ok(learner);
        }
        self.close(AdapterSnapshot::of_adapter(&learner.model, CURRENT))?;
        let mut rng = self.seeds.initialisation_for(TaskId(self.tasks));
        let fresh = |model: M| treelora_lora::attach(detach(model), &self.config.lora, &mut rng);
        let learner = learner.try_map_model(fresh).map_err(adapter_error)?;
        match &self.earlier {
            Some(earlier) => learner
                .try_map_model(|model| add_frozen_adapter(model, earlier, &all_tasks()))
                .map_err(adapter_error),
            None => Ok(learner),
        }
    }

    fn objective(
        &mut self,
        learner: &Learner<M>,
        batch: &M::Batch,
        _step: &StepInfo,
    ) -> Result<Tensor<1>, Error> {
        let mut loss = learner.model.loss(batch);
        let overlap = self.overlap(&learner.model);
        self.last_overlap = overlap.clone().map(Tensor::detach);
        if let Some(overlap) = overlap {
            loss = loss + overlap * self.config.orthogonality;
        }
        if self.config.weight_norm > 0.0
            && let Some(norm) = self.weight_norm(&learner.model)
        {
            loss = loss + norm * self.config.weight_norm;
        }
        Ok(loss)
    }

    fn end_task(
        &mut self,
        learner: Learner<M>,
        _data: &dyn Batches<M::Batch>,
        _task: &Task,
    ) -> Result<Learner<M>, Error> {
        self.tasks += 1;
        Ok(learner)
    }

    /// The sum of all adapters. Put together anew, since a model that comes from a checkpoint
    /// carries the last task's adapter alone.
    fn for_evaluation(&self, learner: &Learner<M>) -> Result<Learner<M>, Error> {
        let answering = learner.valid();
        let Some(earlier) = &self.earlier else {
            return Ok(answering);
        };
        let current = AdapterSnapshot::of_adapter(&answering.model, CURRENT);
        let adapters = [current, earlier.clone()];
        answering
            .try_map_model(|model| attach_bank(detach(model), &adapters, all_tasks()))
            .map_err(adapter_error)
    }

    fn log(&self) -> Vec<(String, f64)> {
        let overlap = self.last_overlap.iter();
        overlap
            .map(|overlap| {
                let value = overlap.clone().into_scalar::<f32>();
                ("overlap".into(), f64::from(value))
            })
            .collect()
    }

    fn stored_bytes(&self) -> usize {
        self.earlier.as_ref().map_or(0, AdapterSnapshot::num_bytes)
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        if let Some(earlier) = &self.earlier {
            earlier.save(&dir.join(EARLIER)).map_err(adapter_error)?;
        }
        write_json(&dir.join(STATE), &State { tasks: self.tasks })
    }

    fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        let state: State = read_json(&dir.join(STATE))?;
        self.tasks = state.tasks;
        self.earlier = match self.tasks {
            0 | 1 => None,
            _ => Some(AdapterSnapshot::load(&dir.join(EARLIER), device).map_err(adapter_error)?),
        };
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct State {
    tasks: usize,
}
