//! The parameters of a model by path, before anything is attached.

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Tensor},
};

use crate::{path::natural_order, site::Site, weight::matrix_dims};

/// A float parameter.
pub(crate) struct Parameter {
    pub(crate) path: String,
    pub(crate) dims: Vec<usize>,
    pub(crate) device: Device,
}

impl Parameter {
    /// Where an update of it goes, when it can be seen as a matrix.
    pub(crate) fn site(&self) -> Option<Site> {
        Some(Site {
            path: self.path.clone(),
            dims: matrix_dims(&self.dims)?,
            device: self.device.clone(),
        })
    }
}

/// The float parameters of a model in natural order, without those of reparameterizations.
#[derive(Default)]
pub(crate) struct Parameters {
    path: Vec<String>,
    inside: usize,
    pub(crate) found: Vec<Parameter>,
    /// Parameters that carry a reparameterization, and its name.
    pub(crate) reparameterized: Vec<(String, String)>,
}

impl Parameters {
    pub(crate) fn of<M: Module>(model: &M) -> Self {
        let mut parameters = Self::default();
        model.visit(&mut parameters);
        parameters
            .found
            .sort_by(|left, right| natural_order(&left.path, &right.path));
        parameters
    }
}

impl ModuleVisitor for Parameters {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.inside == 0 {
            self.found.push(Parameter {
                path: self.path.join("."),
                dims: param.lazy_shape().to_vec(),
                device: param.lazy_device(),
            });
        }
    }

    fn enter_module(&mut self, name: &str, container_type: &str) {
        if container_type == "Reparameterization" {
            self.inside += 1;
            self.reparameterized
                .push((self.path.join("."), name.to_owned()));
        }
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.path.pop();
        if container_type == "Reparameterization" {
            self.inside -= 1;
        }
    }
}
