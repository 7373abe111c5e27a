//! Updates onto a model, and off again.

use std::collections::{BTreeMap, HashMap};

use burn::{
    module::{Module, Param, Reparameterizer},
    tensor::Tensor,
};
use rand::Rng;

use crate::{
    adapter::{LoraAdapter, beside, initial_a},
    attached::select,
    bank::LoraBank,
    config::{LoraConfig, Patterns},
    error::LoraError,
    parameters::Parameters,
    selection::Selection,
    site::Site,
    snapshot::AdapterSnapshot,
    traversal::banks,
    update::Update,
    weight::{as_matrix, matrix_dims},
};

/// Attach one trainable adapter to every matrix, and the kernels of every 2-D convolution, that `config.target_modules`
/// matches. Every other float parameter is frozen, except those that `config.trainable` matches.
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
    let several_axes = parameters.found.iter().filter(|p| p.dims.len() > 1);
    let sites = several_axes.filter_map(|parameter| parameter.site());
    let targets = matching(&patterns.targets, sites.collect())?;
    let paths: Vec<String> = targets.iter().map(|site| site.path.clone()).collect();
    patterns.ranks.check_each_matches(&paths)?;
    patterns.alphas.check_each_matches(&paths)?;
    let adapter = |site: &Site| {
        let (path, [d_in, d_out]) = (&site.path, site.dims);
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
        let a = Tensor::from_data(initial_a(d_in, rank, rng), &site.device);
        let b = Tensor::zeros([rank, d_out], &site.device);
        Ok(LoraAdapter::new(a, b, scale, config.dropout).into())
    };
    attach_to(model, &parameters, targets, patterns.trainable, adapter)
}

/// Attach one update to every vector, matrix and kernels of a 2-D convolution whose path a pattern of `targets` matches:
/// what `update` makes for it, on the site's device. Every other float parameter is frozen, except those that a pattern
/// of `trainable` matches. Patterns are those of [`LoraConfig`]; sites come in the natural order of their paths.
///
/// [`linear`](crate::linear) and [`convolution`](crate::convolution) compute the products of their weight's updates. Any
/// other parameter is composed, `W + delta`, where a layer reads it: one for all samples, so that neither
/// [`Selection::Groups`] nor gates of each sample are possible.
///
/// # Errors
/// When a pattern is invalid or matches nothing, when an update does not have its site's dimensions, or when the model
/// has adapters already.
pub fn attach_updates<M: Module>(
    model: M,
    targets: &[String],
    trainable: &[String],
    mut update: impl FnMut(&Site) -> Update,
) -> Result<M, LoraError> {
    let targets = Patterns::of("targets", targets)?;
    let trainable = Patterns::of("trainable", trainable)?;
    let parameters = Parameters::of(&model);
    let sites = parameters.found.iter().filter_map(|p| p.site());
    let sites = matching(&targets, sites.collect())?;
    let update = |site: &Site| {
        let (update, path) = (update(site), &site.path);
        match update.dims() == site.dims {
            true => Ok(update),
            false => {
                let problem = format!("{:?}, update of {:?}", site.dims, update.dims());
                Err(LoraError::layer(path, problem))
            }
        }
    };
    attach_to(model, &parameters, sites, trainable, update)
}

/// The sites that a pattern matches.
///
/// # Errors
/// When a pattern matches none.
fn matching(patterns: &Patterns<()>, sites: Vec<Site>) -> Result<Vec<Site>, LoraError> {
    let paths: Vec<String> = sites.iter().map(|site| site.path.clone()).collect();
    patterns.check_each_matches(&paths)?;
    let sites = sites.into_iter();
    Ok(sites.filter(|site| patterns.matches(&site.path)).collect())
}

fn attach_to<M: Module>(
    model: M,
    parameters: &Parameters,
    sites: Vec<Site>,
    trainable: Patterns<()>,
    mut update: impl FnMut(&Site) -> Result<Update, LoraError>,
) -> Result<M, LoraError> {
    let all: Vec<String> = parameters.found.iter().map(|p| p.path.clone()).collect();
    trainable.check_each_matches(&all)?;
    let paths: Vec<String> = sites.iter().map(|site| site.path.clone()).collect();
    refuse_adapters(&model, parameters, &paths)?;
    let updates = sites
        .into_iter()
        .map(|site| Ok((site.path.clone(), vec![update(&site)?])));
    Ok(model.apply_reparameterization(Attachment {
        updates: updates.collect::<Result<_, LoraError>>()?,
        selection: Selection::One(0),
        freeze: Freeze::AllBut(trainable),
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
    let mut layers: BTreeMap<String, Vec<Update>> = BTreeMap::new();
    for (index, snapshot) in snapshots.iter().enumerate() {
        for layer in snapshot.layers() {
            let ([d_in, _], [_, d_out]) = (layer.a.dims(), layer.b.dims());
            match shapes.get(layer.path.as_str()) {
                Some(&dims) if matrix_dims(dims) == Some([d_in, d_out]) => {}
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
            let (a, b) = (layer.a.clone(), layer.b.clone());
            let adapter = LoraAdapter::new(a, b, layer.scale, 0.0);
            adapters.push(adapter.set_require_grad(false).into());
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
    Ok(base.apply_reparameterization(Attachment {
        updates: layers.into_iter().collect(),
        selection,
        freeze: Freeze::Nothing,
    }))
}

/// The model without its adapters. Base tensors are shared, not copied, and what was frozen stays frozen. As with
/// burn's `materialize`, other reparameterizations are folded into their weights.
pub fn detach<M: Module>(model: M) -> M {
    select(model, Selection::None).materialize()
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

enum Freeze {
    Nothing,
    AllBut(Patterns<()>),
}

struct Attachment {
    updates: HashMap<String, Vec<Update>>,
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
        let updates = self.updates.remove(path);
        let param = match &self.freeze {
            Freeze::Nothing => param,
            Freeze::AllBut(trainable) => {
                let keep = updates.is_none() && trainable.matches(path);
                param.set_require_grad(keep)
            }
        };
        let bank = updates.map(|updates| {
            // A parameter that is not initialised yet is on its device and has the device's type.
            let like = match param.is_initialized() {
                true => as_matrix(param.base()),
                false => Tensor::zeros([1, 1], &param.lazy_device()),
            };
            let placed = updates.into_iter().map(|update| placed(&update, &like));
            LoraBank::new(placed.collect(), self.selection.clone())
        });
        (param, bank)
    }
}

/// The update beside its weight; what is trainable stays so.
fn placed(update: &Update, weight: &Tensor<2>) -> Update {
    update.map_parameters(&mut |_, parameter| {
        parameter.map(|value| {
            let tracked = value.is_require_grad();
            beside(value, weight).set_require_grad(tracked)
        })
    })
}
