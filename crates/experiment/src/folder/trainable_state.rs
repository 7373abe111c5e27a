//! The trained part of a model by parameter path: adapters and head, nothing of the frozen base.

use std::collections::BTreeSet;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::Tensor,
};
use treelora_core::{Error, TensorFile};

/// Copy every parameter that receives gradients into a [`TensorFile`], by its path.
pub fn trainable_state<M: Module>(model: &M) -> TensorFile {
    let mut visitor = Collect {
        path: Vec::new(),
        file: TensorFile::new(),
    };
    model.visit(&mut visitor);
    visitor.file
}

/// Put what [`trainable_state`] copied back into a model with the same adapters attached.
///
/// # Errors
/// When a parameter is missing in the file, has another shape, or the file holds more.
pub fn load_trainable_state<M: Module>(model: M, file: &TensorFile) -> Result<M, Error> {
    let mut mapper = Replace {
        path: Vec::new(),
        file,
        used: BTreeSet::new(),
        problem: None,
    };
    let model = model.map(&mut mapper);
    if let Some(problem) = mapper.problem {
        return Err(problem);
    }
    match file.names().find(|name| !mapper.used.contains(*name)) {
        Some(name) => Err(Error::Data(format!(
            "the checkpoint holds `{name}`, which the model does not train"
        ))),
        None => Ok(model),
    }
}

struct Collect {
    path: Vec<String>,
    file: TensorFile,
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
            self.file.insert(self.path.join("."), param.base());
        }
    }
}

struct Replace<'a> {
    path: Vec<String>,
    file: &'a TensorFile,
    used: BTreeSet<String>,
    problem: Option<Error>,
}

impl ModuleMapper for Replace<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !param.is_require_grad() || self.problem.is_some() {
            return param;
        }
        let path = self.path.join(".");
        let expected = param.lazy_shape();
        match self.file.tensor::<D>(&path, &param.lazy_device()) {
            Ok(tensor) if tensor.shape() == expected => {
                self.used.insert(path);
                // A leaf of the training graph, as the parameter it replaces.
                param.map(|_| tensor.require_grad())
            }
            Ok(tensor) => {
                self.problem = Some(Error::Data(format!(
                    "the checkpoint's `{path}` has shape {:?}, the model's {:?}",
                    tensor.dims(),
                    expected
                )));
                param
            }
            Err(error) => {
                self.problem = Some(error.into());
                param
            }
        }
    }
}
