//! What models with updates are asked and told: which take part, which are trained, and one more.

use std::convert::Infallible;

use burn::{
    module::{Module, ParamId},
    tensor::Tensor,
};

use crate::{
    adapter::{LoraAdapter, beside},
    bank::LoraBank,
    error::LoraError,
    selection::Selection,
    snapshot::AdapterSnapshot,
    traversal::{AttachedBank, banks, update_banks},
    update::Update,
};

/// The model with another selection of its adapters; a folded weight is dropped.
///
/// # Panics
/// When the selection names an adapter that is not there.
pub fn select<M: Module>(model: M, selection: Selection) -> M {
    let model = select_each(model, |_| selection.clone());
    if selection.largest().is_some() {
        assert!(
            !banks(&model).is_empty(),
            "selection {selection:?} of a model without adapters"
        );
    }
    model
}

/// The model with a selection for each adapted parameter, by its path: gates of its own for each layer. A folded weight
/// is dropped.
///
/// # Panics
/// When a selection names an adapter that is not there.
pub fn select_each<M: Module>(model: M, mut selection: impl FnMut(&str) -> Selection) -> M {
    let Ok(model) = update_banks::<M, Infallible>(model, |attached| {
        let selection = selection(&attached.path);
        Ok(LoraBank::new(attached.bank.updates, selection))
    });
    model
}

/// The model with adapter `index` trainable and all other adapters frozen; the selection stays.
///
/// # Panics
/// When there is no adapter of that index.
pub fn train_adapter<M: Module>(model: M, index: usize) -> M {
    let Ok(model) = update_banks::<M, Infallible>(model, |attached| {
        let bank = attached.bank;
        let count = bank.updates.len();
        assert!(index < count, "adapter {index} of {count}");
        let selection = bank.selection().clone();
        let updates = bank.updates.into_iter().enumerate();
        let updates = updates.map(|(i, update)| update.set_require_grad(i == index));
        Ok(LoraBank::new(updates.collect(), selection))
    });
    model
}

/// The model with one more adapter, frozen, behind those that it has.
///
/// # Errors
/// When the model has no adapters, or the snapshot's layers are not those of its adapters.
///
/// # Panics
/// When the selection names an adapter that is not there.
pub fn add_frozen_adapter<M: Module>(
    model: M,
    snapshot: &AdapterSnapshot,
    selection: &Selection,
) -> Result<M, LoraError> {
    let attached: Vec<String> = banks(&model).into_iter().map(|bank| bank.path).collect();
    if attached.is_empty() {
        return Err(LoraError::NoAdapters);
    }
    let mut layers = snapshot.layers().iter();
    if let Some(layer) = layers.find(|layer| !attached.contains(&layer.path)) {
        let problem = "the model has no adapter there";
        return Err(LoraError::layer(&layer.path, problem));
    }
    update_banks(model, |attached| {
        let (layer, base) = (snapshot.layer(&attached.path)?, (attached.base)());
        let ([d_in, _], [_, d_out]) = (layer.a.dims(), layer.b.dims());
        if base.dims() != [d_in, d_out] {
            let problem = format!("weight {:?}, adapter of [{d_in}, {d_out}]", base.dims());
            return Err(LoraError::layer(&attached.path, problem));
        }
        let place = |value: &Tensor<2>| beside(value.clone(), &base);
        let added = LoraAdapter::new(place(&layer.a), place(&layer.b), layer.scale, 0.0);
        let mut updates = attached.bank.updates;
        updates.push(added.set_require_grad(false).into());
        Ok(LoraBank::new(updates, selection.clone()))
    })
}

/// Adapter `index` of each adapted weight with the weight's path, in the natural order of the paths. The factors are
/// the model's own: what is computed from them has gradients.
///
/// # Panics
/// When there is no adapter of that index, or it is another update than a low-rank pair.
pub fn adapters_at<M: Module>(model: &M, index: usize) -> Vec<(String, LoraAdapter)> {
    let at = |attached: AttachedBank| {
        assert_there(index, &attached.bank);
        let adapter = attached.bank.pair(index, &attached.path).clone();
        (attached.path, adapter)
    };
    banks(model).into_iter().map(at).collect()
}

/// Update `index` of each adapted parameter with the parameter's path, in the natural order of the paths. Its parameters
/// are the model's own: what is computed from them has gradients.
///
/// # Panics
/// When there is no update of that index.
pub fn updates_at<M: Module>(model: &M, index: usize) -> Vec<(String, Update)> {
    let at = |attached: AttachedBank| {
        assert_there(index, &attached.bank);
        let mut updates = attached.bank.updates;
        (attached.path, updates.swap_remove(index))
    };
    banks(model).into_iter().map(at).collect()
}

/// The model with update `index` of each adapted parameter replaced by `replace` of the parameter's path and the update,
/// such as the end of a task that settles what was learned.
///
/// # Errors
/// When a new update does not have the dimensions of the one in its place.
///
/// # Panics
/// When there is no update of that index.
pub fn replace_updates<M: Module>(
    model: M,
    index: usize,
    mut replace: impl FnMut(&str, &Update) -> Update,
) -> Result<M, LoraError> {
    update_banks(model, |attached| {
        let (path, bank) = (attached.path, attached.bank);
        assert_there(index, &bank);
        let selection = bank.selection().clone();
        let mut updates = bank.updates;
        let (old, new) = (updates[index].dims(), replace(&path, &updates[index]));
        if new.dims() != old {
            let problem = format!("update of {:?} in the place of {old:?}", new.dims());
            return Err(LoraError::layer(&path, problem));
        }
        updates[index] = new;
        Ok(LoraBank::new(updates, selection))
    })
}

/// Identities of all parameters of updates, for low-rank pairs A then B, in the natural order of the paths.
pub fn adapter_parameters<M: Module>(model: &M) -> Vec<ParamId> {
    let updates = banks(model)
        .into_iter()
        .flat_map(|attached| attached.bank.updates);
    let parameters = updates.flat_map(|update| update.parameters());
    parameters.map(|(_, parameter)| parameter.id).collect()
}

fn assert_there(index: usize, bank: &LoraBank) {
    let count = bank.updates.len();
    assert!(index < count, "adapter {index} of {count}");
}
