//! One thing that is trained beside a model.

use burn::{
    module::{Devices, Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    tensor::{Device, Tensor},
};

use crate::in_context_of;

/// One thing that is trained beside the model.
#[derive(Clone, Debug)]
pub(crate) enum Part<M> {
    Network(Box<M>),
    Vector(Param<Tensor<1>>),
    Matrix(Param<Tensor<2>>),
    Cube(Param<Tensor<3>>),
}

/// Ids of the parameters that receive gradients.
pub(crate) fn trained<M: Module>(module: &M) -> Vec<ParamId> {
    #[derive(Default)]
    struct Ids(Vec<ParamId>);
    impl ModuleVisitor for Ids {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                self.0.push(param.id);
            }
        }
    }
    let mut ids = Ids::default();
    module.visit(&mut ids);
    ids.0
}

/// The network with those of its trained parameters that are among `taken`, since they were cloned from elsewhere, given
/// an identity and a place in the graph of their own.
pub(crate) fn apart<M: Module>(network: M, taken: &[ParamId]) -> M {
    struct Apart<'a>(&'a [ParamId]);
    impl ModuleMapper for Apart<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            match param.is_require_grad() && self.0.contains(&param.id) {
                true => Param::from_tensor(in_context_of(param.val(), &param.lazy_device())),
                false => param,
            }
        }
    }
    network.map(&mut Apart(taken))
}

/// The same expression for whatever the part is.
macro_rules! each_kind {
    ($part:expr, $inner:ident => $result:expr) => {
        match $part {
            Part::Network(network) => {
                let $inner = *network;
                Part::Network(Box::new($result))
            }
            Part::Vector($inner) => Part::Vector($result),
            Part::Matrix($inner) => Part::Matrix($result),
            Part::Cube($inner) => Part::Cube($result),
        }
    };
}

impl<M: Module> Module for Part<M> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        match self {
            Self::Network(network) => network.collect_devices(devices),
            Self::Vector(param) => param.collect_devices(devices),
            Self::Matrix(param) => param.collect_devices(devices),
            Self::Cube(param) => param.collect_devices(devices),
        }
    }

    fn fork(self, device: &Device) -> Self {
        each_kind!(self, inner => inner.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        each_kind!(self, inner => inner.to_device(device))
    }

    fn train(self) -> Self {
        each_kind!(self, inner => inner.train())
    }

    fn valid(&self) -> Self {
        match self {
            Self::Network(network) => Self::Network(Box::new(network.valid())),
            Self::Vector(param) => Self::Vector(param.valid()),
            Self::Matrix(param) => Self::Matrix(param.valid()),
            Self::Cube(param) => Self::Cube(param.valid()),
        }
    }

    fn materialize(self) -> Self {
        each_kind!(self, inner => inner.materialize())
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        match self {
            Self::Network(network) => network.visit(visitor),
            Self::Vector(param) => param.visit(visitor),
            Self::Matrix(param) => param.visit(visitor),
            Self::Cube(param) => param.visit(visitor),
        }
    }

    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        each_kind!(self, inner => Module::map(inner, mapper))
    }
}
