//! The door to the banks inside a model.
//!
//! Burn stores a reparameterization behind a type that visitors and mappers reach only through its parameters
//! and flags: they can neither see a [`LoraBank`] nor hand one over. A traversal runs on the caller's thread, so
//! for its duration a thread-local carries banks out ([`banks`]) or in ([`update_banks`]). Nothing outlives the
//! call.

use std::{any::Any, cell::RefCell, collections::VecDeque};

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::Tensor,
};

use crate::{LoraBank, path::natural_order};

/// A bank with the weight that it is attached to. Clones are cheap: tensors are shared.
pub(crate) struct AttachedBank {
    /// Path of the weight.
    pub(crate) path: String,
    /// The weight without its adapters, `[d_in, d_out]`.
    pub(crate) base: Param<Tensor<2>>,
    /// The adapters.
    pub(crate) bank: LoraBank,
}

enum Door {
    Out(Vec<LoraBank>),
    In(VecDeque<LoraBank>),
}

thread_local! {
    static DOOR: RefCell<Option<Door>> = const { RefCell::new(None) };
}

/// Called by a bank that is visited.
pub(crate) fn collect(bank: &LoraBank) {
    DOOR.with_borrow_mut(|door| {
        if let Some(Door::Out(banks)) = door {
            banks.push(bank.clone());
        }
    });
}

/// Number of banks visited so far.
fn collected() -> usize {
    DOOR.with_borrow(|door| match door {
        Some(Door::Out(banks)) => banks.len(),
        _ => 0,
    })
}

/// Called by a bank that is mapped: the bank to put in its place.
pub(crate) fn replacement() -> Option<LoraBank> {
    DOOR.with_borrow_mut(|door| match door {
        Some(Door::In(banks)) => banks.pop_front(),
        _ => None,
    })
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
    bases
        .found
        .into_iter()
        .zip(banks)
        .map(|((path, base), bank)| AttachedBank { path, base, bank })
        .collect()
}

/// Closes the door when dropped, so that a panic inside a traversal leaves nothing behind.
struct Opened;

impl Opened {
    fn new(door: Door) -> Self {
        DOOR.with_borrow_mut(|slot| *slot = Some(door));
        Self
    }

    fn close(self) -> Option<Door> {
        DOOR.with_borrow_mut(Option::take)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        DOOR.with_borrow_mut(|slot| *slot = None);
    }
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
