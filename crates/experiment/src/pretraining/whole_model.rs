//! The method of a pre-training, and its step.

use std::collections::BTreeMap;

use burn::module::ParamId;
use treelora_core::{ContinualModel, Group, LearningRates, Method, StepInfo};

use crate::run::training_step::TrainingStep;

/// Trains every parameter of the model on its own loss: all defaults.
pub(super) struct WholeModel;

impl<M: ContinualModel> Method<M> for WholeModel {}

/// A step on one batch, every parameter at `rate`.
pub(super) fn step_at(
    rate: f64,
    info: StepInfo,
    groups: &BTreeMap<ParamId, Group>,
) -> TrainingStep<'_> {
    TrainingStep {
        info,
        batches: 1,
        first_batch: info.step,
        rates: LearningRates::new(rate, rate),
        factor: 1.0,
        groups,
    }
}
