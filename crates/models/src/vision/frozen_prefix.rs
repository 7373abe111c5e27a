//! Which parts of a model change, so that what comes before them need be computed only once.

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::Tensor,
};

/// Which parts of a model carry adapters, and which receive gradients.
#[derive(Default)]
pub(crate) struct Changing {
    path: Vec<String>,
    /// By adapters, selected or not; burn announces each as a container of its own.
    pub(crate) adapted: Parts,
    /// By anything.
    pub(crate) trained: Parts,
}

/// Some parts of a model, as the paths of its parameters tell: `blocks.<i>` are the blocks, `norm` and `head` stand
/// behind them, everything else in front.
#[derive(Default)]
pub(crate) struct Parts {
    /// Whether something in front of the blocks is one.
    pub(crate) embedding: bool,
    /// The lowest block that is one.
    pub(crate) first_block: Option<usize>,
}

impl Changing {
    pub(crate) fn of(model: &impl Module) -> Self {
        let mut changing = Self::default();
        model.visit(&mut changing);
        changing
    }
}

impl Parts {
    fn note(&mut self, path: &[String]) {
        match path {
            [field, index, ..] if field == "blocks" => {
                let block = index.parse().ok();
                self.first_block = self.first_block.into_iter().chain(block).min();
            }
            [field, ..] if field == "norm" || field == "head" => {}
            _ => self.embedding = true,
        }
    }
}

impl ModuleVisitor for Changing {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        if container_type == "Reparameterization" {
            self.adapted.note(&self.path);
        }
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            self.trained.note(&self.path);
        }
    }
}
