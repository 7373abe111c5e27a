//! The one training step of the run loop and of both pre-trainings.

use std::{collections::BTreeMap, time::Instant};

use burn::{
    module::ParamId,
    optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer},
};
use treelora_core::{
    Batch, ContinualModel, Error, Group, Learner, LearningRates, Method, StepInfo,
};

use super::finite::spoiled_gradient;

/// Where a step stands, and how far it goes.
pub(crate) struct TrainingStep<'a> {
    pub(crate) info: StepInfo,
    /// Batches whose gradients it takes the mean of.
    pub(crate) batches: usize,
    /// Which batch of the epoch is its first.
    pub(crate) first_batch: usize,
    /// Learning rates of the configuration.
    pub(crate) rates: LearningRates,
    /// Warm-up and schedule.
    pub(crate) factor: f64,
    /// The group of each trained parameter.
    pub(crate) groups: &'a BTreeMap<ParamId, Group>,
}

/// What a step did.
pub(crate) struct StepReport {
    /// Mean of the objective over the batches.
    pub(crate) loss: f64,
    /// Training examples.
    pub(crate) examples: usize,
    /// Seconds that it waited for them.
    pub(crate) waited: f64,
    /// Learning rates after the schedule.
    pub(crate) rates: LearningRates,
}

impl TrainingStep<'_> {
    /// Differentiate the method's objective, let the method have the gradients, and move each group at its rate.
    ///
    /// # Errors
    /// From the data and the method, and when the loss or a gradient is not finite.
    pub(crate) fn take<M: ContinualModel>(
        &self,
        method: &mut dyn Method<M>,
        learner: Learner<M>,
        optimizer: &mut ModuleOptimizer,
        batches: &mut dyn Iterator<Item = Result<M::Batch, Error>>,
    ) -> Result<(Learner<M>, StepReport), Error> {
        let rates = method.learning_rates(self.rates.clone(), &self.info);
        let mut report = StepReport {
            loss: 0.0,
            examples: 0,
            waited: 0.0,
            rates: rates.times(self.factor),
        };
        let gradients = self.mean_gradient(method, &learner, batches, &mut report)?;
        let gradients = method.gradients(&learner, gradients, &self.info)?;
        let learner = learner.step(optimizer, gradients, &report.rates, self.groups);
        let learner = method.after_step(learner, &self.info)?;
        Ok((learner, report))
    }

    fn mean_gradient<M: ContinualModel>(
        &self,
        method: &mut dyn Method<M>,
        learner: &Learner<M>,
        batches: &mut dyn Iterator<Item = Result<M::Batch, Error>>,
        report: &mut StepReport,
    ) -> Result<GradientsParams, Error> {
        let mut sum = GradientsAccumulator::new();
        for index in 0..self.batches {
            let waiting = Instant::now();
            let batch = batches.next().transpose()?.ok_or_else(|| {
                Error::Data(format!(
                    "task {}: the data ended after {} batches of an epoch that was to have at least {}",
                    self.info.task,
                    self.first_batch + index,
                    self.first_batch + self.batches
                ))
            })?;
            report.waited += waiting.elapsed().as_secs_f64();
            report.examples += batch.len();

            let loss = method.objective(learner, &batch, &self.info)?;
            let value = f64::from(loss.clone().into_scalar::<f32>());
            let diverged = |what: String, value: f64| Error::Diverged {
                step: self.info,
                batch: self.first_batch + index,
                what,
                value,
            };
            if !value.is_finite() {
                return Err(diverged("the loss".into(), value));
            }
            report.loss += value;
            let scaled = match self.batches {
                1 => loss,
                several => loss / several as f64,
            };
            let gradients = GradientsParams::from_grads(scaled.backward(), learner);
            if let Some(parameter) = spoiled_gradient(learner, &gradients) {
                return Err(diverged(format!("the gradient of `{parameter}`"), f64::NAN));
            }
            if self.batches == 1 {
                return Ok(gradients);
            }
            sum.accumulate(learner, gradients);
        }
        report.loss /= self.batches as f64;
        Ok(sum.grads())
    }
}
