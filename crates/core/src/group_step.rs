//! One step of an optimiser, each group of parameters at its own learning rate.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    optim::{GradientsParams, ModuleOptimizer},
    tensor::Tensor,
};

use crate::{Group, Learner, LearningRates};

impl<M: Module> Learner<M> {
    /// The learner after one step of `optimizer`; `groups` are those of [`groups`](Self::groups). A parameter that is
    /// in no group learns with the head.
    #[must_use]
    pub fn step(
        mut self,
        optimizer: &mut ModuleOptimizer,
        gradients: GradientsParams,
        rates: &LearningRates,
        groups: &BTreeMap<ParamId, Group>,
    ) -> Self {
        let mut split = SplitByGroup {
            groups,
            gradients,
            parts: BTreeMap::new(),
        };
        self.visit(&mut split);
        for (group, gradients) in split.parts {
            self = optimizer.step(rates.of(&group), self, gradients);
        }
        self
    }
}

/// Sorts gradients by the group of their parameter.
struct SplitByGroup<'a> {
    groups: &'a BTreeMap<ParamId, Group>,
    gradients: GradientsParams,
    parts: BTreeMap<Group, GradientsParams>,
}

impl ModuleVisitor for SplitByGroup<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else {
            return;
        };
        let group = self.groups.get(&param.id).unwrap_or(&Group::HEAD);
        let part = self.parts.entry(group.clone()).or_default();
        part.register(param.id, gradient);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::{nn::LinearConfig, optim::SgdConfig, tensor::Device};

    use super::*;

    #[test]
    fn each_group_moves_at_its_rate() {
        let device = Device::flex().autodiff();
        let mut model = LinearConfig::new(2, 2).init(&device);
        // Drawn weights would round.
        model.weight = Param::from_tensor(Tensor::<2>::ones([2, 2], &device));
        let ones = || Tensor::<1>::ones([2], &device);
        let learner = Learner::of(model)
            .with_vector("gate", Group::GATE, ones())
            .with_vector("other", Group::of("own"), ones());
        let before = learner.model.weight.val().inner();
        let groups = learner.groups(&[learner.model.weight.id]);
        let loss = learner.model.weight.val().sum()
            + learner.vector("gate").unwrap().sum()
            + learner.vector("other").unwrap().sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &learner);
        let rates = LearningRates::new(0.5, 0.0)
            .with(Group::GATE, 0.25)
            .with(Group::of("own"), 0.125);
        let mut optimizer = SgdConfig::new().init();
        let moved = learner.step(&mut optimizer, gradients, &rates, &groups);
        let values = |tensor: Tensor<1>| tensor.into_data().iter::<f32>().collect::<Vec<_>>();
        let shift = before - moved.model.weight.val().inner();
        assert_eq!(values(shift.reshape([4])), [0.5; 4]);
        assert_eq!(values(moved.vector("gate").unwrap()), [0.75; 2]);
        assert_eq!(values(moved.vector("other").unwrap()), [0.875; 2]);
    }
}
