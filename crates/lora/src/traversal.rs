//! The banks inside a model, out and in.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::Tensor,
};

use crate::{
    bank::LoraBank,
    door::{collected, inward, outward},
    path::natural_order,
    weight::as_matrix,
};

/// A bank with the parameter that it is attached to. Clones are cheap: tensors are shared.
pub(crate) struct AttachedBank {
    /// Path of the parameter.
    pub(crate) path: String,
    /// The parameter without its updates, as a matrix `[d_in, d_out]`. Lazy parameters stay so until it is called.
    pub(crate) base: Base,
    /// The updates.
    pub(crate) bank: LoraBank,
}

type Base = Box<dyn Fn() -> Tensor<2>>;

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
        .collect::<Result<Vec<_>, E>>()?;
    Ok(inward(updated, || model.map(&mut Untouched)))
}

fn banks_as_traversed<M: Module>(model: &M) -> Vec<AttachedBank> {
    let mut bases = Bases::default();
    let banks = outward(|| model.visit(&mut bases));
    bases
        .found
        .into_iter()
        .zip(banks)
        .map(|((path, base), bank)| AttachedBank { path, base, bank })
        .collect()
}

/// The parameters that carry banks: burn visits a parameter right before its reparameterization.
#[derive(Default)]
struct Bases {
    path: Vec<String>,
    last: Option<Base>,
    found: Vec<(String, Base)>,
}

impl ModuleVisitor for Bases {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if collected() > self.found.len() {
            // A parameter inside a bank; the one that carries it has been noted.
            return;
        }
        let param = param.clone();
        self.last = Some(Box::new(move || as_matrix(param.base())));
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
