//! What a method trains: a model, and beside it what the model does not have.

use std::collections::BTreeMap;

use burn::{
    module::{Devices, Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    tensor::{Device, Tensor},
};

use crate::{
    Error, Group,
    part::{Part, apart, trained},
};

/// Path in front of what is trained beside the model.
const BESIDE: &str = "beside";

/// The model and everything that the method trains beside it, by name, each in a [`Group`].
///
/// It is a [`Module`]: the run loop differentiates, accumulates, clips, checks, optimises, checkpoints and resumes
/// all of it alike, so that a method with parameters of its own needs no optimiser, no schedule and no file of its own.
/// The model's parameters keep their paths; those beside it are at `beside.<name>`.
#[derive(Clone, Debug)]
pub struct Learner<M> {
    /// The model, with the adapters that the method attached to it.
    pub model: M,
    beside: BTreeMap<String, (Group, Part<M>)>,
}

impl<M: Module> Learner<M> {
    /// The model alone.
    pub fn of(model: M) -> Self {
        Self {
            model,
            beside: BTreeMap::new(),
        }
    }

    /// With a trained vector called `name`, in the place of what was there under that name.
    #[must_use]
    pub fn with_vector(self, name: &str, group: Group, value: Tensor<1>) -> Self {
        self.with(name, group, Part::Vector(Param::from_tensor(value)))
    }

    /// With a trained matrix called `name`, in the place of what was there under that name.
    #[must_use]
    pub fn with_matrix(self, name: &str, group: Group, value: Tensor<2>) -> Self {
        self.with(name, group, Part::Matrix(Param::from_tensor(value)))
    }

    /// With a trained tensor of three dimensions called `name`, in the place of what was there under that name.
    #[must_use]
    pub fn with_cube(self, name: &str, group: Group, value: Tensor<3>) -> Self {
        self.with(name, group, Part::Cube(Param::from_tensor(value)))
    }

    /// With a second network called `name`, in the place of what was there under that name. Its adapters are of
    /// `group`, what else of it is trained of [`group.head_of()`](Group::head_of).
    ///
    /// A network that was cloned from the model shares what is frozen with it; what is trained becomes its own.
    #[must_use]
    pub fn with_network(self, name: &str, group: Group, network: M) -> Self {
        let learner = self.without(name);
        let network = apart(network, &trained(&learner));
        learner.with(name, group, Part::Network(Box::new(network)))
    }

    fn with(mut self, name: &str, group: Group, part: Part<M>) -> Self {
        self.beside.insert(name.to_owned(), (group, part));
        self
    }

    /// Without what is called `name`, if it was there.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.beside.remove(name);
        self
    }

    /// With the model changed by `change`.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn try_map_model<E>(self, change: impl FnOnce(M) -> Result<M, E>) -> Result<Self, E> {
        Ok(Self {
            model: change(self.model)?,
            beside: self.beside,
        })
    }

    /// With the model changed by `change`.
    #[must_use]
    pub fn map_model(self, change: impl FnOnce(M) -> M) -> Self {
        Self {
            model: change(self.model),
            beside: self.beside,
        }
    }

    /// Names of what is trained beside the model, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.beside.keys().map(String::as_str)
    }

    /// The vector called `name`.
    ///
    /// # Errors
    /// When there is no vector of that name.
    pub fn vector(&self, name: &str) -> Result<Tensor<1>, Error> {
        match self.beside.get(name) {
            Some((_, Part::Vector(param))) => Ok(param.val()),
            _ => Err(self.missing("vector", name)),
        }
    }

    /// The matrix called `name`.
    ///
    /// # Errors
    /// When there is no matrix of that name.
    pub fn matrix(&self, name: &str) -> Result<Tensor<2>, Error> {
        match self.beside.get(name) {
            Some((_, Part::Matrix(param))) => Ok(param.val()),
            _ => Err(self.missing("matrix", name)),
        }
    }

    /// The tensor of three dimensions called `name`.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn cube(&self, name: &str) -> Result<Tensor<3>, Error> {
        match self.beside.get(name) {
            Some((_, Part::Cube(param))) => Ok(param.val()),
            _ => Err(self.missing("tensor of three dimensions", name)),
        }
    }

    /// The network called `name`.
    ///
    /// # Errors
    /// When there is no network of that name.
    pub fn network(&self, name: &str) -> Result<&M, Error> {
        match self.beside.get(name) {
            Some((_, Part::Network(network))) => Ok(network),
            _ => Err(self.missing("network", name)),
        }
    }

    fn missing(&self, what: &str, name: &str) -> Error {
        let known = self.names().collect::<Vec<_>>().join(", ");
        Error::Data(format!(
            "no {what} called `{name}` is trained beside the model (there is: {known})"
        ))
    }

    /// The group of every parameter that receives gradients. `adapters` are the ids of all adapter parameters, those of
    /// second networks included.
    pub fn groups(&self, adapters: &[ParamId]) -> BTreeMap<ParamId, Group> {
        let mut groups = BTreeMap::new();
        let mut assign = |ids: Vec<ParamId>, of_adapters: &Group, of_rest: &Group| {
            for id in ids {
                let group = match adapters.contains(&id) {
                    true => of_adapters,
                    false => of_rest,
                };
                groups.insert(id, group.clone());
            }
        };
        assign(trained(&self.model), &Group::ADAPTER, &Group::HEAD);
        for (group, part) in self.beside.values() {
            match part {
                Part::Network(network) => {
                    assign(trained(network.as_ref()), group, &group.head_of())
                }
                Part::Vector(param) => assign(vec![param.id], group, group),
                Part::Matrix(param) => assign(vec![param.id], group, group),
                Part::Cube(param) => assign(vec![param.id], group, group),
            }
        }
        groups
    }
}

impl<M: Module> Module for Learner<M> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        let devices = self.model.collect_devices(devices);
        let parts = self.beside.values();
        parts.fold(devices, |devices, (_, part)| part.collect_devices(devices))
    }

    fn fork(self, device: &Device) -> Self {
        self.each(|model| model.fork(device), |part| part.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        self.each(
            |model| model.to_device(device),
            |part| part.to_device(device),
        )
    }

    fn train(self) -> Self {
        self.each(M::train, Part::train)
    }

    fn valid(&self) -> Self {
        let parts = self.beside.iter();
        Self {
            model: self.model.valid(),
            beside: parts
                .map(|(name, (group, part))| (name.clone(), (group.clone(), part.valid())))
                .collect(),
        }
    }

    fn materialize(self) -> Self {
        self.each(M::materialize, Part::materialize)
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.model.visit(visitor);
        visitor.enter_module(BESIDE, "Struct:Learner");
        for (name, (_, part)) in &self.beside {
            visitor.enter_module(name, "Struct:Learner");
            part.visit(visitor);
            visitor.exit_module(name, "Struct:Learner");
        }
        visitor.exit_module(BESIDE, "Struct:Learner");
    }

    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        let model = self.model.map(mapper);
        mapper.enter_module(BESIDE, "Struct:Learner");
        let mut beside = BTreeMap::new();
        for (name, (group, part)) in self.beside {
            mapper.enter_module(&name, "Struct:Learner");
            let part = part.map(mapper);
            mapper.exit_module(&name, "Struct:Learner");
            beside.insert(name, (group, part));
        }
        mapper.exit_module(BESIDE, "Struct:Learner");
        Self { model, beside }
    }
}

impl<M: Module> Learner<M> {
    fn each(self, of_model: impl FnOnce(M) -> M, of_part: impl Fn(Part<M>) -> Part<M>) -> Self {
        let parts = self.beside.into_iter();
        Self {
            model: of_model(self.model),
            beside: parts
                .map(|(name, (group, part))| (name, (group, of_part(part))))
                .collect(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::{
        nn::{Linear, LinearConfig},
        optim::{GradientsParams, ModuleOptimizer, SgdConfig},
    };

    use super::*;

    fn learner() -> Learner<Linear> {
        let device = Device::flex().autodiff();
        let linear = || LinearConfig::new(2, 2).init(&device);
        Learner::of(linear())
            .with_network("second", Group::of("identity"), linear())
            .with_vector("gate", Group::GATE, Tensor::<1>::ones([2], &device))
            .with_matrix("keys", Group::PROMPT, Tensor::<2>::ones([3, 2], &device))
            .with_cube(
                "prompts",
                Group::PROMPT,
                Tensor::<3>::ones([3, 1, 2], &device),
            )
    }

    fn paths(learner: &Learner<Linear>) -> Vec<String> {
        #[derive(Default)]
        struct Paths(Vec<String>, Vec<String>);
        impl ModuleVisitor for Paths {
            fn enter_module(&mut self, name: &str, _container: &str) {
                self.0.push(name.to_owned());
            }
            fn exit_module(&mut self, _name: &str, _container: &str) {
                self.0.pop();
            }
            fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
                self.1.push(self.0.join("."));
            }
        }
        let mut paths = Paths::default();
        learner.visit(&mut paths);
        paths.1
    }

    #[test]
    fn the_model_keeps_its_paths_and_what_is_beside_it_has_names() {
        let expected = [
            "weight",
            "bias",
            "beside.gate",
            "beside.keys",
            "beside.prompts",
            "beside.second.weight",
            "beside.second.bias",
        ];
        assert_eq!(paths(&learner()), expected);
        let fewer = learner().without("gate").without("second");
        assert_eq!(
            paths(&fewer),
            ["weight", "bias", "beside.keys", "beside.prompts"]
        );
    }

    #[test]
    fn every_trained_parameter_has_the_group_it_was_given() {
        let learner = learner();
        let second = learner.network("second").unwrap();
        let adapters = [learner.model.weight.id, second.weight.id];
        let groups = learner.groups(&adapters);
        assert_eq!(groups.len(), 7);
        assert_eq!(groups[&learner.model.weight.id], Group::ADAPTER);
        let bias = |linear: &Linear| linear.bias.as_ref().unwrap().id;
        assert_eq!(groups[&bias(&learner.model)], Group::HEAD);
        let identity = Group::of("identity");
        assert_eq!(groups[&second.weight.id], identity);
        assert_eq!(groups[&bias(second)], identity.head_of());
        let count = |group: Group| groups.values().filter(|of| **of == group).count();
        assert_eq!((count(Group::GATE), count(Group::PROMPT)), (1, 2));
    }

    #[test]
    fn one_optimiser_moves_all_of_it() {
        let learner = learner();
        let device = learner.model.weight.lazy_device();
        let input = Tensor::<2>::ones([1, 2], &device);
        let loss = learner.model.forward(input.clone()).sum()
            + learner.network("second").unwrap().forward(input).sum() * 2.0
            + learner.vector("gate").unwrap().sum() * 3.0
            + learner.matrix("keys").unwrap().sum() * 4.0
            + learner.cube("prompts").unwrap().sum() * 5.0;
        let values = |tensor: Tensor<1>| tensor.into_data().iter::<f32>().collect::<Vec<_>>();
        let second = learner.network("second").unwrap();
        let bias = values(second.bias.as_ref().unwrap().val());
        let gradients = GradientsParams::from_grads(loss.backward(), &learner);
        let mut optimizer: ModuleOptimizer = SgdConfig::new().init();
        let moved = optimizer.step(0.1, learner, gradients);
        assert_eq!(values(moved.vector("gate").unwrap()), [0.7; 2]);
        assert_eq!(values(moved.matrix("keys").unwrap().reshape([6])), [0.6; 6]);
        assert_eq!(
            values(moved.cube("prompts").unwrap().reshape([6])),
            [0.5; 6]
        );
        let second = moved.network("second").unwrap();
        assert_ne!(values(second.bias.as_ref().unwrap().val()), bias);
    }

    #[test]
    fn a_network_cloned_from_the_model_is_trained_apart_from_it() {
        let device = Device::flex().autodiff();
        let model = LinearConfig::new(2, 2).init(&device);
        let clone = model.clone();
        let learner = Learner::of(model).with_network("second", Group::of("second"), clone);
        assert_eq!(learner.groups(&[]).len(), 4, "no parameter is in both");
        let before = learner.model.weight.val().inner();
        let input = Tensor::<2>::ones([1, 2], &device);
        let loss = learner.model.forward(input.clone()).sum()
            + learner.network("second").unwrap().forward(input).sum() * 3.0;
        let gradients = GradientsParams::from_grads(loss.backward(), &learner);
        let mut optimizer: ModuleOptimizer = SgdConfig::new().init();
        let moved = optimizer.step(0.25, learner, gradients);
        let shift = |linear: &Linear| -> Vec<f32> {
            let shift = before.clone() - linear.weight.val().inner();
            shift.into_data().iter().collect()
        };
        for (shift, expected) in [
            (shift(&moved.model), 0.25),
            (shift(moved.network("second").unwrap()), 0.75),
        ] {
            assert!(
                shift.iter().all(|x| (x - expected).abs() < 1e-6),
                "{shift:?}"
            );
        }
    }

    #[test]
    fn a_wrong_name_says_what_there_is() {
        let error = learner().matrix("gate").unwrap_err().to_string();
        assert!(
            error.contains("matrix called `gate`") && error.contains("keys"),
            "{error}"
        );
    }
}
