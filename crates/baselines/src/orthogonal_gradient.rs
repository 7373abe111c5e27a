//! Orthogonal gradient descent (Farajtabar et al., AISTATS 2020).

use std::path::Path;

use burn::{
    optim::GradientsParams,
    tensor::{Device, Tensor},
};
use serde::{Deserialize, Serialize};
use treelora_core::{
    Batch, Batches, ContinualModel, Error, Learner, Method, Seeds, StepInfo, Task, TensorFile,
};
use treelora_lora::LoraConfig;

use crate::{
    adapter::{attach, default_lora, positive, validate},
    episodic_memory::EpisodicMemory,
    flat_parameters::FlatParameters,
};

const FILE: &str = "ogd.safetensors";
const BASIS: &str = "basis";

/// What must be left of a gradient outside the basis, as a share of its norm, to add a direction:
/// less is rounding.
const SMALLEST_NEW_SHARE: f32 = 1e-3;

/// Settings of [`Ogd`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OgdConfig {
    /// Where adapters go, their rank and scale.
    pub lora: LoraConfig,
    /// Directions kept of each task at most: the gradients of as many of its examples.
    pub directions_per_task: usize,
}

impl Default for OgdConfig {
    fn default() -> Self {
        Self {
            lora: default_lora(),
            directions_per_task: 150,
        }
    }
}

impl OgdConfig {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        validate(&self.lora)?;
        positive("directions_per_task", self.directions_per_task as f64)
    }
}

/// `g <- g - U^T U g`, with the rows of U an orthonormal basis of gradients on examples of the
/// earlier tasks. The directions are exact for plain gradient descent; an optimiser that scales
/// each parameter by itself (Adam) turns the step a little out of the complement.
///
/// The gradients are those of the loss with the true labels; the original takes them of the true
/// class's score, which a model without classes does not have.
#[derive(Debug)]
pub struct Ogd {
    config: OgdConfig,
    seeds: Seeds,
    parameters: FlatParameters,
    /// `[directions, parameters]`.
    basis: Option<Tensor<2>>,
}

impl Ogd {
    /// With `seed` for the adapter's initial values and the choice of examples.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(config: OgdConfig, seed: u64) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self {
            config,
            seeds: Seeds::new(seed),
            parameters: FlatParameters::default(),
            basis: None,
        })
    }

    /// The directions that the earlier tasks keep for themselves; `None` in the first task.
    ///
    /// # Shapes
    /// `[directions, parameters]`.
    pub fn basis(&self) -> Option<&Tensor<2>> {
        self.basis.as_ref()
    }

    /// Gradient of the loss on each of the examples.
    fn example_gradients<M: ContinualModel>(
        &self,
        learner: &Learner<M>,
        examples: &M::Batch,
    ) -> Vec<Tensor<1>> {
        let gradient = |index: usize| {
            let loss = learner.model.loss(&examples.select(&[index]));
            let gradients = GradientsParams::from_grads(loss.backward(), learner);
            self.parameters.gradients(learner, &gradients)
        };
        (0..examples.len()).map(gradient).collect()
    }
}

/// What of `vector` lies outside the span of the orthonormal rows of `basis`.
fn outside(basis: &Tensor<2>, vector: Tensor<1>) -> Tensor<1> {
    let row = vector.clone().unsqueeze::<2>();
    let shares = row.matmul(basis.clone().transpose());
    vector - shares.matmul(basis.clone()).squeeze_dim::<1>(0)
}

/// The basis with the directions of `vectors` that it does not span yet (Gram-Schmidt, each vector
/// twice, so that rounding leaves the rows orthogonal).
fn extended(basis: Option<Tensor<2>>, vectors: Vec<Tensor<1>>) -> Option<Tensor<2>> {
    let norm = |vector: &Tensor<1>| vector.clone().square().sum().sqrt().into_scalar::<f32>();
    let mut rows: Vec<Tensor<1>> = Vec::new();
    for vector in vectors {
        let whole = norm(&vector);
        let mut rest = vector;
        for _ in 0..2 {
            if let Some(basis) = &basis {
                rest = outside(basis, rest);
            }
            for row in &rows {
                let share = (row.clone() * rest.clone()).sum();
                rest = rest - row.clone() * share;
            }
        }
        let left = norm(&rest);
        if left.is_finite() && left > SMALLEST_NEW_SHARE * whole {
            rows.push(rest / left);
        }
    }
    let mut parts: Vec<Tensor<2>> = basis.into_iter().collect();
    if !rows.is_empty() {
        parts.push(Tensor::stack(rows, 0));
    }
    (!parts.is_empty()).then(|| Tensor::cat(parts, 0))
}

impl<M: ContinualModel> Method<M> for Ogd {
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
        let Some(basis) = &self.basis else {
            return Ok(gradients);
        };
        let flat = self.parameters.gradients(learner, &gradients);
        let outside = outside(basis, flat);
        Ok(self.parameters.write_gradients(learner, outside, gradients))
    }

    fn end_task(
        &mut self,
        learner: Learner<M>,
        data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<Learner<M>, Error> {
        let mut drawn = EpisodicMemory::new();
        drawn.store(task.id, data, self.config.directions_per_task, self.seeds)?;
        for examples in drawn.batches() {
            let gradients = self.example_gradients(&learner, examples);
            self.basis = extended(self.basis.take(), gradients);
        }
        Ok(learner)
    }

    fn stored_bytes(&self) -> usize {
        self.basis
            .as_ref()
            .map_or(0, |basis| basis.shape().num_elements() * size_of::<f32>())
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        let mut file = TensorFile::new();
        if let Some(basis) = &self.basis {
            file.insert(BASIS, basis.clone());
        }
        Ok(file.save(&dir.join(FILE))?)
    }

    fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        let path = dir.join(FILE);
        let file = TensorFile::load(&path)?;
        if file.names().next().is_none() {
            self.basis = None;
            return Ok(());
        }
        let basis: Tensor<2> = file.tensor(BASIS, &device.clone().without_autodiff())?;
        let (found, expected) = (basis.dims()[1], self.parameters.len());
        if found != expected {
            return Err(Error::format(
                path,
                format!("directions of {found} parameters, the model trains {expected}"),
            ));
        }
        self.basis = Some(basis);
        Ok(())
    }
}
