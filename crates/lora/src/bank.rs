//! The adapters of one weight, as burn's reparameterization of it.

use burn::{
    module::{Devices, Module, ModuleMapper, ModuleVisitor, Reparameterization},
    tensor::{Device, Tensor},
};

use crate::{LoraAdapter, Selection, door};

/// The adapters of one weight `[d_in, d_out]` and which of them take part.
///
/// Burn composes the effective weight `W + sum scale a b` from it wherever a layer reads `weight.val()`;
/// [`linear`](crate::linear) uses the factors instead.
#[derive(Clone, Debug)]
pub struct LoraBank {
    /// The adapters, by index.
    pub adapters: Vec<LoraAdapter>,
    selection: Selection,
    /// The effective weight of the selection, detached. Only a cache: whatever may change a parameter drops it.
    merged: Option<Tensor<2>>,
}

impl LoraBank {
    /// Adapters and a selection among them.
    ///
    /// # Panics
    /// When the selection names an adapter that is not there.
    pub fn new(adapters: Vec<LoraAdapter>, selection: Selection) -> Self {
        if let Some(largest) = selection.largest() {
            let count = adapters.len();
            assert!(
                largest < count,
                "selection {selection:?} of {count} adapters"
            );
        }
        Self {
            adapters,
            selection,
            merged: None,
        }
    }

    /// The adapters that take part.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// The weight with the selected updates folded in, when [`merge`](crate::merge) has been called.
    pub fn merged(&self) -> Option<&Tensor<2>> {
        self.merged.as_ref()
    }

    pub(crate) fn with_merged(self, merged: Option<Tensor<2>>) -> Self {
        Self { merged, ..self }
    }

    /// Index of the one adapter that functions about a single adapter mean: the selected one, or the only one.
    pub(crate) fn current(&self) -> Option<usize> {
        match (&self.selection, self.adapters.len()) {
            (Selection::One(index), _) => Some(*index),
            (_, 1) => Some(0),
            _ => None,
        }
    }

    /// The sum of the selected dense updates `[d_in, d_out]`; `None` when nothing is selected.
    ///
    /// # Panics
    /// On [`Selection::Groups`], which has no single weight.
    pub(crate) fn delta(&self) -> Option<Tensor<2>> {
        let terms = self.selection.terms().unwrap_or_else(|| {
            panic!("{:?} has no single effective weight", self.selection);
        });
        terms
            .into_iter()
            .map(|(index, weight)| self.adapters[index].delta() * weight)
            .reduce(|sum, delta| sum + delta)
    }
}

impl Reparameterization for LoraBank {
    const NAME: &'static str = "lora";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        let shape = base.shape();
        if let Some(merged) = &self.merged {
            return merged.clone().reshape(shape);
        }
        match self.delta() {
            // A base of lower precision is widened: the sum has the precision of the update.
            Some(delta) => base.cast(delta.dtype()) + delta.reshape(shape),
            None => base,
        }
    }
}

// By hand rather than derived: `visit` and `map` are the only door to a reparameterization inside a model.
impl Module for LoraBank {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.adapters.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        Self {
            adapters: self.adapters.fork(device),
            selection: self.selection,
            merged: self.merged.map(|merged| merged.to_device(device)),
        }
    }

    fn to_device(self, device: &Device) -> Self {
        Self {
            adapters: self.adapters.to_device(device),
            selection: self.selection,
            merged: self.merged.map(|merged| merged.to_device(device)),
        }
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        door::collect(self);
        self.adapters.visit(visitor);
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        match door::replacement() {
            Some(replacement) => replacement,
            None => Self::new(self.adapters.map(mapper), self.selection),
        }
    }

    fn valid(&self) -> Self {
        Self {
            adapters: self.adapters.valid(),
            selection: self.selection.clone(),
            merged: self.merged.clone().map(Tensor::without_autodiff),
        }
    }

    fn train(self) -> Self {
        Self::new(self.adapters.train(), self.selection)
    }

    fn materialize(self) -> Self {
        self
    }
}
