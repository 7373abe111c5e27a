//! Adapters onto a model, between adapters, and off again.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
};

use burn::{
    module::{Module, Param, ParamId, Reparameterizer},
    tensor::Tensor,
};
use rand::Rng;

use crate::{
    AdapterSnapshot, LoraAdapter, LoraBank, LoraConfig, LoraError, Selection,
    adapter::{beside, initial_a},
    config::Patterns,
    parameters::{Parameter, Parameters},
    traversal::{AttachedBank, banks, update_banks},
};

/// Attach one trainable adapter to every 2-D parameter that `config.target_modules` matches. Every other float
/// parameter is frozen, except those that `config.trainable` matches.
///
/// A is drawn from `rng` in the natural order of the paths (`blocks.2` before `blocks.10`) and B is zero, so the
/// function that the model computes does not change.
///
/// # Errors
/// When the settings are invalid or do not fit the model, or when the model has adapters already.
pub fn attach<M: Module>(
    model: M,
    config: &LoraConfig,
    rng: &mut impl Rng,
) -> Result<M, LoraError> {
    let patterns = config.compile()?;
    let parameters = Parameters::of(&model);
    let all: Vec<String> = parameters.found.iter().map(|p| p.path.clone()).collect();
    let matrices = parameters.found.iter().filter(|p| p.dims.len() == 2);
    let targets: Vec<&Parameter> = matrices
        .clone()
        .filter(|p| patterns.targets.matches(&p.path))
        .collect();
    let target_paths: Vec<String> = targets.iter().map(|p| p.path.clone()).collect();
    patterns
        .targets
        .check_each_matches(&matrices.map(|p| p.path.clone()).collect::<Vec<_>>())?;
    patterns.trainable.check_each_matches(&all)?;
    patterns.ranks.check_each_matches(&target_paths)?;
    patterns.alphas.check_each_matches(&target_paths)?;
    refuse_adapters(&model, &parameters, &target_paths)?;

    let mut adapters = HashMap::new();
    for target in targets {
        let path = &target.path;
        let [d_in, d_out] = [target.dims[0], target.dims[1]];
        let (key, rank) = match patterns.ranks.value(path)? {
            Some(rank) => ("rank_pattern", rank),
            None => ("rank", config.rank),
        };
        if rank > d_in.min(d_out) {
            let path = path.clone();
            return Err(LoraError::Rank {
                key,
                path,
                rank,
                d_in,
                d_out,
            });
        }
        let scale = config.scale(rank, patterns.alphas.value(path)?.unwrap_or(config.alpha));
        let (a, dropout) = (initial_a(d_in, rank, rng), config.dropout);
        let adapter = move |base: &Param<Tensor<2>>| {
            let device = base.lazy_device();
            let a = Tensor::from_data(a, &device);
            let b = Tensor::zeros([rank, d_out], &device);
            // A base that is not initialised yet has the device's default type, as `a` has.
            let (a, b) = match base.is_initialized() {
                true => (beside(a, &base.base()), beside(b, &base.base())),
                false => (a, b),
            };
            vec![LoraAdapter::new(a, b, scale, dropout)]
        };
        adapters.insert(path.clone(), Box::new(adapter) as NewAdapters);
    }
    Ok(model.apply_reparameterization(Attachment {
        adapters,
        selection: Selection::One(0),
        freeze: Freeze::AllBut(patterns.trainable),
    }))
}

/// Attach several frozen adapters, one a snapshot and in their order, to a model without adapters. Which parameters
/// of `base` are trainable does not change.
///
/// # Errors
/// When the snapshots differ in their layers, or a layer is not in the model or has another shape there.
///
/// # Panics
/// When the selection names a snapshot that is not there.
pub fn attach_bank<M: Module>(
    base: M,
    snapshots: &[AdapterSnapshot],
    selection: Selection,
) -> Result<M, LoraError> {
    let parameters = Parameters::of(&base);
    let shapes: BTreeMap<&str, &[usize]> = parameters
        .found
        .iter()
        .map(|p| (p.path.as_str(), p.dims.as_slice()))
        .collect();
    let mut layers: BTreeMap<String, Vec<LoraAdapter>> = BTreeMap::new();
    for (index, snapshot) in snapshots.iter().enumerate() {
        for layer in snapshot.layers() {
            let ([d_in, _], [_, d_out]) = (layer.a.dims(), layer.b.dims());
            match shapes.get(layer.path.as_str()) {
                Some(&dims) if *dims == [d_in, d_out] => {}
                Some(dims) => {
                    let problem = format!("weight {dims:?}, adapter of [{d_in}, {d_out}]");
                    return Err(LoraError::layer(&layer.path, problem));
                }
                None => return Err(LoraError::layer(&layer.path, "not in the model")),
            }
            let adapters = layers.entry(layer.path.clone()).or_default();
            if adapters.len() != index {
                return Err(LoraError::layer(&layer.path, "not in every adapter"));
            }
            adapters.push(LoraAdapter::new(
                layer.a.clone(),
                layer.b.clone(),
                layer.scale,
                0.0,
            ));
        }
    }
    if let Some((path, _)) = layers
        .iter()
        .find(|(_, adapters)| adapters.len() != snapshots.len())
    {
        return Err(LoraError::layer(path, "not in every adapter"));
    }
    let paths: Vec<String> = layers.keys().cloned().collect();
    refuse_adapters(&base, &parameters, &paths)?;
    let adapters = layers.into_iter().map(|(path, adapters)| {
        let place = move |base: &Param<Tensor<2>>| {
            let like = base.base();
            let frozen = |param: Param<Tensor<2>>| {
                let param = param.set_require_grad(false);
                param.map(|value| beside(value, &like))
            };
            let place = |adapter: LoraAdapter| LoraAdapter {
                a: frozen(adapter.a),
                b: frozen(adapter.b),
                ..adapter
            };
            adapters.into_iter().map(place).collect()
        };
        (path, Box::new(place) as NewAdapters)
    });
    Ok(base.apply_reparameterization(Attachment {
        adapters: adapters.collect(),
        selection,
        freeze: Freeze::Nothing,
    }))
}

/// The model without its adapters. Base tensors are shared, not copied, and what was frozen stays frozen. As with
/// burn's `materialize`, other reparameterizations are folded into their weights.
pub fn detach<M: Module>(model: M) -> M {
    unselected(model).materialize()
}

/// The model with another selection of its adapters; a folded weight is dropped.
///
/// # Panics
/// When the selection names an adapter that is not there.
pub fn select<M: Module>(model: M, selection: Selection) -> M {
    let model = with_selection(model, &selection);
    if selection.largest().is_some() {
        assert!(
            !banks(&model).is_empty(),
            "selection {selection:?} of a model without adapters"
        );
    }
    model
}

/// The model with adapter `index` trainable and all other adapters frozen; the selection stays.
///
/// # Panics
/// When there is no adapter of that index.
pub fn train_adapter<M: Module>(model: M, index: usize) -> M {
    let Ok(model) = update_banks::<M, Infallible>(model, |attached| {
        let bank = attached.bank;
        let count = bank.adapters.len();
        assert!(index < count, "adapter {index} of {count}");
        let selection = bank.selection().clone();
        let adapters = bank.adapters.into_iter().enumerate();
        let adapters = adapters.map(|(i, adapter)| adapter.set_require_grad(i == index));
        Ok(LoraBank::new(adapters.collect(), selection))
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
        let (layer, base) = (snapshot.layer(&attached.path)?, attached.base.base());
        let ([d_in, _], [_, d_out]) = (layer.a.dims(), layer.b.dims());
        if base.dims() != [d_in, d_out] {
            let problem = format!("weight {:?}, adapter of [{d_in}, {d_out}]", base.dims());
            return Err(LoraError::layer(&attached.path, problem));
        }
        let place = |value: &Tensor<2>| beside(value.clone(), &base);
        let added = LoraAdapter::new(place(&layer.a), place(&layer.b), layer.scale, 0.0);
        let mut adapters = attached.bank.adapters;
        adapters.push(added.set_require_grad(false));
        Ok(LoraBank::new(adapters, selection.clone()))
    })
}

/// Adapter `index` of each adapted weight with the weight's path, in the natural order of the paths. The factors are
/// the model's own: what is computed from them has gradients.
///
/// # Panics
/// When there is no adapter of that index.
pub fn adapters_at<M: Module>(model: &M, index: usize) -> Vec<(String, LoraAdapter)> {
    let at = |attached: AttachedBank| {
        let mut adapters = attached.bank.adapters;
        let count = adapters.len();
        assert!(index < count, "adapter {index} of {count}");
        (attached.path, adapters.swap_remove(index))
    };
    banks(model).into_iter().map(at).collect()
}

/// Identities of all adapter parameters, A then B, in the natural order of the paths.
pub fn adapter_parameters<M: Module>(model: &M) -> Vec<ParamId> {
    let adapters = banks(model)
        .into_iter()
        .flat_map(|attached| attached.bank.adapters);
    adapters
        .flat_map(|adapter| [adapter.a.id, adapter.b.id])
        .collect()
}

fn with_selection<M: Module>(model: M, selection: &Selection) -> M {
    let Ok(model) = update_banks::<M, Infallible>(model, |attached| {
        Ok(LoraBank::new(attached.bank.adapters, selection.clone()))
    });
    model
}

fn unselected<M: Module>(model: M) -> M {
    with_selection(model, &Selection::None)
}

fn refuse_adapters<M: Module>(
    model: &M,
    parameters: &Parameters,
    targets: &[String],
) -> Result<(), LoraError> {
    let taken = |(path, name): (String, String)| LoraError::AlreadyAttached { path, name };
    if let Some(attached) = banks(model).into_iter().next() {
        return Err(taken((attached.path, "lora".into())));
    }
    let carrying = parameters
        .reparameterized
        .iter()
        .find(|(path, _)| targets.contains(path));
    carrying
        .cloned()
        .map_or(Ok(()), |carrying| Err(taken(carrying)))
}

/// Makes the adapters of a weight once its device is at hand.
type NewAdapters = Box<dyn FnOnce(&Param<Tensor<2>>) -> Vec<LoraAdapter>>;

enum Freeze {
    Nothing,
    AllBut(Patterns<()>),
}

struct Attachment {
    adapters: HashMap<String, NewAdapters>,
    selection: Selection,
    freeze: Freeze,
}

impl Reparameterizer for Attachment {
    type Reparam = LoraBank;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<LoraBank>) {
        let new = self.adapters.remove(path);
        let param = match &self.freeze {
            Freeze::Nothing => param,
            Freeze::AllBut(trainable) => {
                let keep = new.is_none() && trainable.matches(path);
                param.set_require_grad(keep)
            }
        };
        let matrix = (&param as &dyn std::any::Any).downcast_ref::<Param<Tensor<2>>>();
        let bank = new
            .zip(matrix)
            .map(|(new, base)| LoraBank::new(new(base), self.selection.clone()));
        (param, bank)
    }
}
