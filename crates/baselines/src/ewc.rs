//! Elastic weight consolidation (Kirkpatrick et al., PNAS 2017).

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
    adapter::{attach, default_lora, not_negative, positive, validate},
    flat_parameters::FlatParameters,
};

const FILE: &str = "ewc.safetensors";

/// Settings of [`Ewc`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EwcConfig {
    /// Where adapters go, their rank and scale.
    pub lora: LoraConfig,
    /// lambda: weight of the penalty.
    pub strength: f64,
    /// gamma: what is left of the importance of earlier tasks after each task, in `[0, 1]`.
    pub decay: f64,
    /// Examples a gradient that is squared. 1 is the empirical Fisher information; more is cheaper
    /// and underestimates it.
    pub fisher_batch: usize,
    /// Examples of a task that the Fisher information is estimated on, from the start of its data.
    pub fisher_examples: usize,
}

impl Default for EwcConfig {
    fn default() -> Self {
        Self {
            lora: default_lora(),
            strength: 50.0,
            decay: 1.0,
            fisher_batch: 1,
            fisher_examples: 200,
        }
    }
}

impl EwcConfig {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        validate(&self.lora)?;
        not_negative("strength", self.strength)?;
        positive("fisher_batch", self.fisher_batch as f64)?;
        positive("fisher_examples", self.fisher_examples as f64)?;
        match (0.0..=1.0).contains(&self.decay) {
            true => Ok(()),
            false => Err(Error::setting(
                "decay",
                format!("{} is not in [0, 1]", self.decay),
            )),
        }
    }
}

/// `loss + (lambda / 2) sum_i F_i (w_i - w*_i)^2` over the trainable parameters, with `w*` the
/// weights after the last task and F the diagonal of the empirical Fisher information: the mean of
/// squared gradients of the loss with the true labels, summed over tasks with decay (online EWC).
#[derive(Debug)]
pub struct Ewc {
    config: EwcConfig,
    seeds: Seeds,
    parameters: FlatParameters,
    consolidated: Option<Consolidated>,
}

#[derive(Clone, Debug)]
struct Consolidated {
    weights: Tensor<1>,
    fisher: Tensor<1>,
}

impl Ewc {
    /// With `seed` for the adapter's initial values.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(config: EwcConfig, seed: u64) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self {
            config,
            seeds: Seeds::new(seed),
            parameters: FlatParameters::default(),
            consolidated: None,
        })
    }

    /// The penalty, without its weight lambda; `None` before the end of the first task.
    ///
    /// # Shapes
    /// `[1]`.
    pub fn penalty<M: ContinualModel>(&self, learner: &Learner<M>) -> Option<Tensor<1>> {
        let consolidated = self.consolidated.as_ref()?;
        let moved = self.parameters.values(learner) - consolidated.weights.clone();
        Some((moved.square() * consolidated.fisher.clone()).sum() * 0.5)
    }

    /// Mean squared gradient over the first examples of the task.
    fn fisher<M: ContinualModel>(
        &self,
        learner: &Learner<M>,
        data: &dyn Batches<M::Batch>,
    ) -> Result<Tensor<1>, Error> {
        let mut left = self.config.fisher_examples;
        let mut sum: Option<Tensor<1>> = None;
        let mut seen = 0;
        for batch in data.batches() {
            let batch = batch?;
            let indices: Vec<usize> = (0..batch.len().min(left)).collect();
            for part in indices.chunks(self.config.fisher_batch) {
                let loss = learner.model.loss(&batch.select(part));
                let gradients = GradientsParams::from_grads(loss.backward(), learner);
                let squared =
                    self.parameters.gradients(learner, &gradients).square() * part.len() as f64;
                sum = Some(match sum {
                    Some(sum) => sum + squared,
                    None => squared,
                });
            }
            seen += indices.len();
            left -= indices.len();
            if left == 0 {
                break;
            }
        }
        sum.map(|sum| sum / seen as f64)
            .ok_or_else(|| Error::Data("no example to estimate the Fisher information on".into()))
    }
}

impl<M: ContinualModel> Method<M> for Ewc {
    fn attach(&mut self, model: M) -> Result<Learner<M>, Error> {
        let learner = attach(model, &self.config.lora, self.seeds.initialisation())?;
        self.parameters = FlatParameters::of(&learner);
        Ok(learner)
    }

    fn objective(
        &mut self,
        learner: &Learner<M>,
        batch: &M::Batch,
        _step: &StepInfo,
    ) -> Result<Tensor<1>, Error> {
        let loss = learner.model.loss(batch);
        Ok(match self.penalty(learner) {
            Some(penalty) => loss + penalty * self.config.strength,
            None => loss,
        })
    }

    fn end_task(
        &mut self,
        learner: Learner<M>,
        data: &dyn Batches<M::Batch>,
        _task: &Task,
    ) -> Result<Learner<M>, Error> {
        let new = self.fisher(&learner, data)?;
        let fisher = match &self.consolidated {
            Some(old) => old.fisher.clone() * self.config.decay + new,
            None => new,
        };
        self.consolidated = Some(Consolidated {
            weights: self.parameters.values(&learner).inner(),
            fisher,
        });
        Ok(learner)
    }

    fn stored_bytes(&self) -> usize {
        match self.consolidated {
            Some(_) => 2 * self.parameters.len() * size_of::<f32>(),
            None => 0,
        }
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        let mut file = TensorFile::new();
        if let Some(consolidated) = &self.consolidated {
            self.parameters
                .save(&consolidated.weights, "weights", &mut file);
            self.parameters
                .save(&consolidated.fisher, "fisher", &mut file);
        }
        Ok(file.save(&dir.join(FILE))?)
    }

    fn load(&mut self, dir: &Path, _device: &Device) -> Result<(), Error> {
        let file = TensorFile::load(&dir.join(FILE))?;
        self.consolidated = match file.names().next() {
            None => None,
            Some(_) => Some(Consolidated {
                weights: self.parameters.load("weights", &file)?,
                fisher: self.parameters.load("fisher", &file)?,
            }),
        };
        Ok(())
    }
}
