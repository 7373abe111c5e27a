//! Every bank of a model: out ([`banks`]) and in ([`update_banks`]).

use std::{any::Any, collections::VecDeque};

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::Tensor,
};

use crate::{
    LoraBank,
    door::{Door, Opened, collected},
    path::natural_order,
};

/// A bank with the weight that it is attached to. Clones are cheap: tensors are shared.
pub(crate) struct AttachedBank {
    /// Path of the weight.
    pub(crate) path: String,
    /// The weight without its adapters, `[d_in, d_out]`.
    pub(crate) base: Param<Tensor<2>>,
    /// The adapters.
    pub(crate) bank: LoraBank,
}

/// All banks of a model in the natural order of their paths.
pub(crate) fn banks<M: Module>(model: &M) -> Vec<AttachedBank> {
    let mut banks = banks_as_traversed(model);
    banks.sort_by(|left, right| natural_order(&left.path, &right.path));
    banks
}

/// The model with each bank replaced by `update` of it; parameters are passed through untouched.
pub(crate) fn update_banks<M: Module, E>(
    model: M,
    update: impl FnMut(AttachedBank) -> Result<LoraBank, E>,
) -> Result<M, E> {
    let updated = banks_as_traversed(&model)
        .into_iter()
        .map(update)
        .map(|bank| bank.map(|bank| Box::new(bank) as Box<dyn Any>))
        .collect::<Result<VecDeque<_>, E>>()?;
    let _open = Opened::new(Door::In(updated));
    Ok(model.map(&mut Untouched))
}

fn banks_as_traversed<M: Module>(model: &M) -> Vec<AttachedBank> {
    let mut bases = Bases::default();
    let open = Opened::new(Door::Out(Vec::new()));
    model.visit(&mut bases);
    let banks = match open.close() {
        Some(Door::Out(banks)) => banks,
        _ => Vec::new(),
    };
    let banks = banks.into_iter().filter_map(|bank| bank.downcast().ok());
    bases
        .found
        .into_iter()
        .zip(banks)
        .map(|((path, base), bank)| AttachedBank {
            path,
            base,
            bank: *bank,
        })
        .collect()
}

/// The weights that carry banks: burn visits a weight right before its reparameterization.
#[derive(Default)]
struct Bases {
    path: Vec<String>,
    last: Option<Param<Tensor<2>>>,
    found: Vec<(String, Param<Tensor<2>>)>,
}

impl ModuleVisitor for Bases {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if collected() > self.found.len() {
            // A parameter inside a bank; the weight has been noted.
            return;
        }
        self.last = (param as &dyn Any)
            .downcast_ref::<Param<Tensor<2>>>()
            .cloned();
    }

    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.path.pop();
        // Other reparameterizations pass here too: only a bank has added itself.
        if container_type == "Reparameterization"
            && collected() > self.found.len()
            && let Some(base) = self.last.take()
        {
            self.found.push((self.path.join("."), base));
        }
    }
}

/// Leaves parameters as they are, lazy ones lazy.
struct Untouched;

impl ModuleMapper for Untouched {}
