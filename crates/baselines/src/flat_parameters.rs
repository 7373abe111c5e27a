//! The trainable parameters of a model as one vector, stored by path: identities of parameters
//! change from process to process, paths do not.

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{Device, Shape, Tensor},
};
use treelora_core::{Error, TensorFile};

/// Paths and places of the trainable parameters in the vector.
#[derive(Clone, Debug, Default)]
pub(crate) struct FlatParameters {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    path: String,
    shape: Shape,
    start: usize,
    device: Device,
}

impl FlatParameters {
    /// Of every parameter that receives gradients, in the order of the model.
    pub(crate) fn of<M: Module>(model: &M) -> Self {
        let mut collect = Collect::default();
        model.visit(&mut collect);
        Self {
            entries: collect.entries,
        }
    }

    /// Number of parameters.
    pub(crate) fn len(&self) -> usize {
        self.entries
            .last()
            .map_or(0, |last| last.start + last.shape.num_elements())
    }

    /// The parameters themselves, in the graph where the model is.
    ///
    /// # Shapes
    /// `[len]`.
    pub(crate) fn values<M: Module>(&self, model: &M) -> Tensor<1> {
        let mut values = Values(Vec::new());
        model.visit(&mut values);
        Tensor::cat(values.0, 0)
    }

    /// Their gradients; 0 where there is none.
    ///
    /// # Shapes
    /// `[len]`, without autodiff.
    pub(crate) fn gradients<M: Module>(&self, model: &M, gradients: &GradientsParams) -> Tensor<1> {
        let mut read = ReadGradients {
            gradients,
            parts: Vec::new(),
        };
        model.visit(&mut read);
        Tensor::cat(read.parts, 0)
    }

    /// Replace the gradients of all parameters by parts of `flat`.
    pub(crate) fn write_gradients<M: Module>(
        &self,
        model: &M,
        flat: Tensor<1>,
        gradients: GradientsParams,
    ) -> GradientsParams {
        let mut write = WriteGradients {
            flat,
            at: 0,
            gradients,
        };
        model.visit(&mut write);
        write.gradients
    }

    /// Write a vector under `prefix`, one tensor a parameter.
    pub(crate) fn save(&self, flat: &Tensor<1>, prefix: &str, file: &mut TensorFile) {
        for entry in &self.entries {
            let part = flat
                .clone()
                .narrow(0, entry.start, entry.shape.num_elements());
            file.insert(format!("{prefix}.{}", entry.path), part);
        }
    }

    /// Read a vector that [`save`](Self::save) wrote, without autodiff.
    ///
    /// # Errors
    /// When a parameter is missing or has another size.
    pub(crate) fn load(&self, prefix: &str, file: &TensorFile) -> Result<Tensor<1>, Error> {
        let mut parts = Vec::new();
        for entry in &self.entries {
            let name = format!("{prefix}.{}", entry.path);
            let part = file.tensor::<1>(&name, &entry.device)?;
            let (found, expected) = (part.dims()[0], entry.shape.num_elements());
            if found != expected {
                return Err(Error::Data(format!(
                    "`{name}` has {found} values, the model's parameter {expected}"
                )));
            }
            parts.push(part);
        }
        Ok(Tensor::cat(parts, 0))
    }
}

#[derive(Default)]
struct Collect {
    path: Vec<String>,
    entries: Vec<Entry>,
    at: usize,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            let shape = param.lazy_shape();
            let start = self.at;
            self.at += shape.num_elements();
            self.entries.push(Entry {
                path: self.path.join("."),
                shape,
                start,
                device: param.lazy_device().without_autodiff(),
            });
        }
    }
}

struct Values(Vec<Tensor<1>>);

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            let value = param.base();
            let len = value.shape().num_elements();
            self.0.push(value.reshape([len]));
        }
    }
}

struct ReadGradients<'a> {
    gradients: &'a GradientsParams,
    parts: Vec<Tensor<1>>,
}

impl ModuleVisitor for ReadGradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            let len = param.lazy_shape().num_elements();
            self.parts.push(match self.gradients.get::<D>(param.id) {
                Some(gradient) => gradient.inner().reshape([len]),
                None => Tensor::zeros([len], &param.lazy_device().without_autodiff()),
            });
        }
    }
}

struct WriteGradients {
    flat: Tensor<1>,
    at: usize,
    gradients: GradientsParams,
}

impl ModuleVisitor for WriteGradients {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            let part = next_part(&self.flat, &mut self.at, param);
            self.gradients.register(param.id, part);
        }
    }
}

fn next_part<const D: usize>(
    flat: &Tensor<1>,
    at: &mut usize,
    param: &Param<Tensor<D>>,
) -> Tensor<D> {
    let shape = param.lazy_shape();
    let (start, len) = (*at, shape.num_elements());
    *at += len;
    flat.clone().narrow(0, start, len).reshape(shape)
}
