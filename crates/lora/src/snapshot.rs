//! An adapter on its own, without the model it was trained on.

use std::path::Path;

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use treelora_tensor_file::TensorFile;

use crate::{
    adapter::{LoraAdapter, with_value},
    bank::LoraBank,
    error::LoraError,
    path::natural_order,
    traversal::{AttachedBank, banks, update_banks},
};

/// The update of one weight in an [`AdapterSnapshot`]: `scale a b`.
#[derive(Clone, Debug)]
pub struct AdapterLayer {
    /// Path of the weight, such as `blocks.3.attention.query.weight`.
    pub path: String,
    /// Down-projection `[d_in, rank]`, without autodiff.
    pub a: Tensor<2>,
    /// Up-projection `[rank, d_out]`, without autodiff.
    pub b: Tensor<2>,
    /// Factor of the product.
    pub scale: f64,
}

/// The values of one adapter: nothing of the base, no graph, no optimiser state.
///
/// Functions about one adapter of a model mean the selected one ([`Selection::One`](crate::Selection::One)), or the
/// only one.
#[derive(Clone, Debug, Default)]
pub struct AdapterSnapshot {
    layers: Vec<AdapterLayer>,
}

impl AdapterSnapshot {
    /// The current adapter of a model.
    ///
    /// # Panics
    /// When the model has no adapters, or has several and none is selected alone, or when it is not of low rank.
    pub fn of<M: Module>(model: &M) -> Self {
        Self::of_each(model, |attached| attached.bank.current(&attached.path))
    }

    /// Adapter `index` of a model.
    ///
    /// # Panics
    /// When there is no adapter of that index, or it is not of low rank.
    pub fn of_adapter<M: Module>(model: &M, index: usize) -> Self {
        Self::of_each(model, |_| index)
    }

    /// The adapter whose update is that of the model's selection: the selected one, or those of a sum side by side,
    /// so that their ranks add up. `None` when nothing is selected, when weights are tensors or each sample has its own,
    /// and when an update is not of low rank.
    pub fn of_selection<M: Module>(model: &M) -> Option<Self> {
        let banks = banks(model);
        let terms = banks.first()?.bank.selection().terms()?;
        let low_rank = |(index, _): &(usize, f64)| {
            let mut updates = banks.iter().map(|attached| &attached.bank.updates[*index]);
            updates.all(|update| update.factors().is_some())
        };
        if !terms.iter().all(low_rank) {
            return None;
        }
        match terms.as_slice() {
            [] => None,
            [(index, 1.0)] => Some(Self::of_adapter(model, *index)),
            terms => {
                let adapters = terms.iter();
                let adapters: Vec<(Self, f64)> = adapters
                    .map(|&(index, weight)| (Self::of_adapter(model, index), weight))
                    .collect();
                let borrowed: Vec<_> = adapters.iter().map(|(a, weight)| (a, *weight)).collect();
                Self::stacked(&borrowed).ok()
            }
        }
    }

    fn of_each<M: Module>(model: &M, index: impl Fn(&AttachedBank) -> usize) -> Self {
        let banks = banks(model);
        assert!(!banks.is_empty(), "a snapshot of a model without adapters");
        let layers = banks.into_iter().map(|attached| {
            let update = &attached.bank.updates[index(&attached)];
            let factors = update.factors().unwrap_or_else(|| {
                let path = &attached.path;
                panic!("`{path}` carries what is not of low rank: {update:?}")
            });
            AdapterLayer {
                a: factors.a,
                b: factors.b,
                scale: factors.scale,
                path: attached.path,
            }
        });
        Self {
            layers: layers.collect(),
        }
    }

    /// A snapshot of these layers, brought into the natural order of their paths.
    pub fn from_layers(mut layers: Vec<AdapterLayer>) -> Self {
        layers.sort_by(|left, right| natural_order(&left.path, &right.path));
        Self { layers }
    }

    /// The layers in the natural order of their paths: `blocks.2` before `blocks.10`.
    pub fn layers(&self) -> &[AdapterLayer] {
        &self.layers
    }

    /// The model with these values in its current adapter. Identities of parameters stay, so an optimiser's state
    /// does; so do device, float type, dropout and what is trainable.
    ///
    /// # Errors
    /// When layers or shapes differ from the model's.
    ///
    /// # Panics
    /// When the model has several adapters and none is selected alone, or when it is not a low-rank pair.
    pub fn apply<M: Module>(&self, model: M) -> Result<M, LoraError> {
        let attached: Vec<String> = banks(&model).into_iter().map(|bank| bank.path).collect();
        if let Some(layer) = self
            .layers
            .iter()
            .find(|layer| !attached.contains(&layer.path))
        {
            return Err(LoraError::layer(
                &layer.path,
                "the model has no adapter there",
            ));
        }
        update_banks(model, |attached| {
            let AttachedBank { path, bank, .. } = attached;
            let index = bank.current(&path);
            let layer = self.layer(&path)?;
            let adapter = bank.pair(index, &path);
            for (factor, new, old) in [("a", &layer.a, &adapter.a), ("b", &layer.b, &adapter.b)] {
                if new.dims() != old.dims() {
                    let (new, old) = (new.dims(), old.dims());
                    let problem = format!("{factor} is {new:?}, the model's {old:?}");
                    return Err(LoraError::layer(&path, problem));
                }
            }
            let replaced = LoraAdapter {
                a: with_value(&adapter.a, layer.a.clone()),
                b: with_value(&adapter.b, layer.b.clone()),
                scale: layer.scale,
                dropout: adapter.dropout,
            };
            let mut updates = bank.updates.clone();
            updates[index] = replaced.into();
            Ok(LoraBank::new(updates, bank.selection().clone()))
        })
    }

    /// The layer at `path`.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn layer(&self, path: &str) -> Result<&AdapterLayer, LoraError> {
        let found = self.layers.iter().find(|layer| layer.path == path);
        found.ok_or_else(|| LoraError::layer(path, "not in the adapter"))
    }

    /// The largest rank of a layer; 0 without layers.
    pub fn rank(&self) -> usize {
        let ranks = self.layers.iter().map(|layer| layer.a.dims()[1]);
        ranks.max().unwrap_or(0)
    }

    /// Entries of A and B.
    pub fn num_parameters(&self) -> usize {
        let entries =
            |layer: &AdapterLayer| layer.a.shape().num_elements() + layer.b.shape().num_elements();
        self.layers.iter().map(entries).sum()
    }

    /// Bytes of the tensors and scales, as held in memory.
    pub fn num_bytes(&self) -> usize {
        let bytes = |layer: &AdapterLayer| {
            layer.a.shape().num_elements() * layer.a.dtype().size()
                + layer.b.shape().num_elements() * layer.b.dtype().size()
                + size_of::<f64>()
        };
        self.layers.iter().map(bytes).sum()
    }

    /// Write one safetensors file, atomically: `<path>.a`, `<path>.b` as f32, `<path>.scale` as f64.
    ///
    /// # Errors
    /// When writing fails; an earlier file is then unchanged.
    pub fn save(&self, path: &Path) -> Result<(), LoraError> {
        let mut file = TensorFile::new().with_format(FORMAT);
        for layer in &self.layers {
            file.insert(format!("{}.a", layer.path), layer.a.clone());
            file.insert(format!("{}.b", layer.path), layer.b.clone());
            file.insert_f64(format!("{}.scale", layer.path), [layer.scale], [1]);
        }
        Ok(file.save(path)?)
    }

    /// Read a file that [`save`](Self::save) wrote, onto `device`.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, is of another format, or misses a tensor.
    pub fn load(path: &Path, device: &Device) -> Result<Self, LoraError> {
        let device = device.clone().without_autodiff();
        let file = TensorFile::load(path)?;
        file.check_format(FORMAT)?;
        let mut layers = Vec::new();
        for name in file.names().filter_map(|name| name.strip_suffix(".scale")) {
            let a: Tensor<2> = file.tensor(&format!("{name}.a"), &device)?;
            let b: Tensor<2> = file.tensor(&format!("{name}.b"), &device)?;
            if a.dims()[1] != b.dims()[0] {
                let (a, b) = (a.dims(), b.dims());
                return Err(file
                    .unfit(format!("ranks of `{name}`: a {a:?}, b {b:?}"))
                    .into());
            }
            let scale = file.f64s(&format!("{name}.scale"))?;
            let [scale] = scale[..] else {
                let count = scale.len();
                return Err(file.unfit(format!("`{name}` has {count} scales")).into());
            };
            layers.push(AdapterLayer {
                path: name.to_owned(),
                a,
                b,
                scale,
            });
        }
        if file.names().count() != 3 * layers.len() {
            return Err(file.unfit("tensors that belong to no layer").into());
        }
        Ok(Self::from_layers(layers))
    }
}

const FORMAT: &str = "treelora-adapter-1";
