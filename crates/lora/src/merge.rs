//! Folding adapters into the dense weight, and exactly back.

use std::convert::Infallible;

use burn::module::Module;

use crate::{error::LoraError, traversal::update_banks};

/// Fold the selected adapters into the dense weights, so that the forward costs what the plain model's does.
///
/// The base weights stay beside the folded ones, so [`unmerge`] restores the model bit for bit; subtracting the
/// update again would not. A folded weight is constant: no gradient reaches the adapters through it. Whatever may
/// change a parameter afterwards (an optimiser step, `train()`, [`select`](crate::select), loading) drops it, and
/// the model computes with the factors again. For a dense model without adapters, call burn's `materialize()`.
///
/// # Errors
/// When samples differ in their updates ([`Selection::Groups`](crate::Selection::Groups), gates of each sample), so that
/// there is no single weight, and when the model has no adapters.
pub fn merge<M: Module>(model: M) -> Result<M, LoraError> {
    let mut merged = 0;
    let model = update_banks(model, |attached| {
        merged += 1;
        let (base, bank) = ((attached.base)(), attached.bank);
        if bank.selection().varies() {
            let problem = "samples with updates of their own have no single weight to fold into";
            return Err(LoraError::layer(&attached.path, problem));
        }
        let weight = match bank.delta(&base) {
            Some(delta) => base.cast(delta.dtype()) + delta,
            None => base,
        };
        let weight = weight.detach().set_require_grad(false);
        Ok(bank.with_merged(Some(weight)))
    })?;
    match merged {
        0 => Err(LoraError::NoAdapters),
        _ => Ok(model),
    }
}

/// Undo [`merge`]: the model as before it, bit for bit.
pub fn unmerge<M: Module>(model: M) -> M {
    let Ok(model) =
        update_banks::<M, Infallible>(model, |attached| Ok(attached.bank.with_merged(None)));
    model
}
