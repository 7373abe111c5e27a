//! Gradient episodic memory (Lopez-Paz and Ranzato, NeurIPS 2017).

use std::path::Path;

use burn::{
    optim::GradientsParams,
    tensor::{Device, Tensor},
};
use serde::{Deserialize, Serialize};
use treelora_core::{Batches, ContinualModel, Error, Learner, Method, Seeds, StepInfo, Task};
use treelora_lora::LoraConfig;

use crate::{
    adapter::{attach, default_lora, not_negative, positive, validate},
    episodic_memory::{EpisodicMemory, gradient},
    flat_parameters::FlatParameters,
};

/// Settings of [`Gem`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GemConfig {
    /// Where adapters go, their rank and scale.
    pub lora: LoraConfig,
    /// Examples kept of each task.
    pub memory_per_task: usize,
    /// Smallest multiplier of a past gradient once any past task would be harmed ("strength").
    pub margin: f64,
    /// Examples of the memory that go through the model at a time; no influence on results.
    pub memory_batch: usize,
}

impl Default for GemConfig {
    fn default() -> Self {
        Self {
            lora: default_lora(),
            memory_per_task: 100,
            margin: 0.05,
            memory_batch: 50,
        }
    }
}

impl GemConfig {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        validate(&self.lora)?;
        positive("memory_per_task", self.memory_per_task as f64)?;
        positive("memory_batch", self.memory_batch as f64)?;
        not_negative("margin", self.margin)
    }
}

/// Keeps a few examples of each task, and moves the gradient by as little as possible so that it
/// harms none of them: [`project`].
pub struct Gem<M: ContinualModel> {
    config: GemConfig,
    seeds: Seeds,
    parameters: FlatParameters,
    memory: EpisodicMemory<M::Batch>,
    /// Whether the last gradient was projected.
    projected: bool,
}

impl<M: ContinualModel> Gem<M> {
    /// With `seed` for the adapter's initial values and the choice of examples.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(config: GemConfig, seed: u64) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self {
            config,
            seeds: Seeds::new(seed),
            parameters: FlatParameters::default(),
            memory: EpisodicMemory::new(),
            projected: false,
        })
    }

    /// Gradients of the mean loss on each past task's examples.
    ///
    /// # Shapes
    /// `[past tasks, parameters]`; `None` on the first task.
    pub fn memory_gradients(&self, learner: &Learner<M>) -> Option<Tensor<2>> {
        let rows: Vec<Tensor<1>> = self
            .memory
            .batches()
            .map(|batch| {
                let batches = std::slice::from_ref(batch);
                gradient(learner, &self.parameters, batches, self.config.memory_batch)
            })
            .collect();
        (!rows.is_empty()).then(|| Tensor::stack(rows, 0))
    }
}

impl<M: ContinualModel> Method<M> for Gem<M> {
    fn attach(&mut self, model: M) -> Result<Learner<M>, Error> {
        let learner = attach(model, &self.config.lora, self.seeds.initialisation())?;
        self.parameters = FlatParameters::of(&learner);
        Ok(learner)
    }

    fn gradients(
        &mut self,
        learner: &Learner<M>,
        gradients: GradientsParams,
        _step: &StepInfo,
    ) -> Result<GradientsParams, Error> {
        let Some(memories) = self.memory_gradients(learner) else {
            return Ok(gradients);
        };
        let flat = self.parameters.gradients(learner, &gradients);
        let projected = project(flat, memories, self.config.margin);
        self.projected = projected.is_some();
        Ok(match projected {
            Some(flat) => self.parameters.write_gradients(learner, flat, gradients),
            None => gradients,
        })
    }

    fn end_task(
        &mut self,
        learner: Learner<M>,
        data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<Learner<M>, Error> {
        self.memory
            .store(task.id, data, self.config.memory_per_task, self.seeds)?;
        Ok(learner)
    }

    fn log(&self) -> Vec<(String, f64)> {
        vec![("projected".into(), f64::from(u8::from(self.projected)))]
    }

    fn stored_bytes(&self) -> usize {
        self.memory.num_bytes()
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        self.memory.save(dir)
    }

    fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        self.memory = EpisodicMemory::load(dir, device)?;
        Ok(())
    }
}

/// The gradient `g + M^T v` where `v` solves the dual
/// `min_v 1/2 v^T (M M^T + e I) v + (M g)^T v, v >= margin`;
/// `None` where `g` harms no row of `M` already. At margin 0 it is the vector nearest to `g` with
/// non-negative products with all rows; a larger margin pulls further towards the memories.
///
/// # Shapes
/// `gradient` `[parameters]`, `memories` `[past tasks, parameters]` -> `[parameters]`.
pub fn project(gradient: Tensor<1>, memories: Tensor<2>, margin: f64) -> Option<Tensor<1>> {
    let tasks = memories.dims()[0];
    let column = gradient.clone().unsqueeze_dim::<2>(1);
    // One reading for all numbers: the products with the gradient beside the Gram matrix.
    let products = Tensor::cat(
        vec![
            memories.clone().matmul(column),
            memories.clone().matmul(memories.clone().transpose()),
        ],
        1,
    );
    let products: Vec<f64> = products.into_data().iter::<f64>().collect();
    let rows: Vec<&[f64]> = products.chunks_exact(tasks + 1).collect();
    if rows.iter().all(|row| row[0] >= 0.0) {
        return None;
    }
    let multipliers = dual(&rows, margin);
    let multipliers: Vec<f32> = multipliers.iter().map(|&v| v as f32).collect();
    let device = memories.device();
    let multipliers = Tensor::<1>::from_floats(multipliers.as_slice(), &device).unsqueeze::<2>();
    Some(gradient + multipliers.matmul(memories).squeeze_dim::<1>(0))
}

/// Coordinate descent on the dual. Each row is a product with the gradient, then a row of the Gram
/// matrix; as many variables as past tasks, so that hundreds of sweeps cost nothing.
fn dual(rows: &[&[f64]], margin: f64) -> Vec<f64> {
    let tasks = rows.len();
    let trace: f64 = (0..tasks).map(|i| rows[i][i + 1]).sum();
    // Small against the Gram matrix, whatever the size of the gradients.
    let damping = 1e-6 * (trace / tasks as f64).max(f64::MIN_POSITIVE);
    let mut multipliers = vec![margin; tasks];
    for _ in 0..10_000 {
        let mut change = 0f64;
        for i in 0..tasks {
            let others: f64 = (0..tasks)
                .filter(|&j| j != i)
                .map(|j| rows[i][j + 1] * multipliers[j])
                .sum();
            let best = -(rows[i][0] + others) / (rows[i][i + 1] + damping);
            let best = best.max(margin);
            change = change.max((best - multipliers[i]).abs());
            multipliers[i] = best;
        }
        if change < 1e-12 * (1.0 + multipliers.iter().sum::<f64>()) {
            break;
        }
    }
    multipliers
}
