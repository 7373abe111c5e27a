//! What of a model is trained.

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::Tensor,
};

/// Paths of the parameters that receive gradients, in the order of the model.
pub fn trainable<M: Module>(model: &M) -> Vec<String> {
    #[derive(Default)]
    struct Trainable {
        path: Vec<String>,
        found: Vec<String>,
    }
    impl ModuleVisitor for Trainable {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                self.found.push(self.path.join("."));
            }
        }
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.into());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }
    }
    let mut visitor = Trainable::default();
    model.visit(&mut visitor);
    visitor.found
}
