//! The updates of one parameter, as burn's reparameterization of it.

use burn::{
    module::{Devices, Module, ModuleMapper, ModuleVisitor, Reparameterization},
    tensor::{Device, Tensor},
};

use crate::{
    adapter::LoraAdapter,
    door,
    selection::Selection,
    update::Update,
    weight::{as_matrix, from_matrix},
};

/// The updates of one parameter, seen as a matrix `[d_in, d_out]`, and which of them take part.
///
/// Burn composes the effective weight `W + sum delta` from it wherever a layer reads `weight.val()`;
/// [`linear`](crate::linear) and [`convolution`](crate::convolution) use the updates' own products instead.
#[derive(Clone, Debug)]
pub struct LoraBank {
    /// The updates, by index.
    pub updates: Vec<Update>,
    selection: Selection,
    /// The effective weight of the selection, detached. Only a cache: whatever may change a parameter drops it.
    merged: Option<Tensor<2>>,
}

impl LoraBank {
    /// Updates and a selection among them.
    ///
    /// # Panics
    /// When the selection names an update that is not there.
    pub fn new(updates: Vec<Update>, selection: Selection) -> Self {
        if let Some(largest) = selection.largest() {
            let count = updates.len();
            assert!(
                largest < count,
                "selection {selection:?} of {count} adapters"
            );
        }
        Self {
            updates,
            selection,
            merged: None,
        }
    }

    /// The updates that take part.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// The weight with the selected updates folded in, as a matrix, when [`merge`](crate::merge) has been called.
    pub fn merged(&self) -> Option<&Tensor<2>> {
        self.merged.as_ref()
    }

    pub(crate) fn with_merged(self, merged: Option<Tensor<2>>) -> Self {
        Self { merged, ..self }
    }

    /// Index of the one update that functions about a single adapter mean: the selected one, or the only one.
    ///
    /// # Panics
    /// When there are several and none is selected alone.
    pub(crate) fn current(&self, path: &str) -> usize {
        match (&self.selection, self.updates.len()) {
            (Selection::One(index), _) => *index,
            (_, 1) => 0,
            (selection, count) => panic!(
                "`{path}` has {count} adapters and selection {selection:?}: which one is meant?"
            ),
        }
    }

    /// Update `index`, which is a low-rank pair.
    ///
    /// # Panics
    /// When it is another kind of update, or not there.
    pub(crate) fn pair(&self, index: usize, path: &str) -> &LoraAdapter {
        let update = &self.updates[index];
        update.get().unwrap_or_else(|| {
            panic!("update {index} of `{path}` is not a low-rank pair: {update:?}")
        })
    }

    /// The sum of the selected dense updates of the parameter `weight [d_in, d_out]`; `None` when nothing is selected.
    ///
    /// # Panics
    /// When samples differ in their updates: there is no single weight.
    pub(crate) fn delta(&self, weight: &Tensor<2>) -> Option<Tensor<2>> {
        let amounts = match self.selection.varies() {
            true => None,
            false => self.selection.amounts(),
        };
        let amounts = amounts.unwrap_or_else(|| {
            panic!("{:?} has no single effective weight", self.selection);
        });
        amounts
            .into_iter()
            .map(|(index, amount)| amount.times(self.updates[index].delta(weight.clone()), 1.0))
            .reduce(|sum, delta| sum + delta)
    }
}

impl Reparameterization for LoraBank {
    const NAME: &'static str = "lora";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        let shape = base.shape();
        if let Some(merged) = &self.merged {
            return from_matrix(merged.clone(), shape);
        }
        match self.delta(&as_matrix(base.clone())) {
            // A base of lower precision is widened: the sum has the precision of the update.
            Some(delta) => base.cast(delta.dtype()) + from_matrix(delta, shape),
            None => base,
        }
    }
}

// By hand rather than derived: `visit` and `map` are the only door to a reparameterization inside a model.
impl Module for LoraBank {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.updates.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        Self {
            updates: self.updates.fork(device),
            selection: self.selection.map_gates(|gates| gates.to_device(device)),
            merged: self.merged.map(|merged| merged.to_device(device)),
        }
    }

    fn to_device(self, device: &Device) -> Self {
        Self {
            updates: self.updates.to_device(device),
            selection: self.selection.map_gates(|gates| gates.to_device(device)),
            merged: self.merged.map(|merged| merged.to_device(device)),
        }
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        door::collect(self);
        self.updates.visit(visitor);
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        match door::replacement() {
            Some(replacement) => replacement,
            None => Self::new(self.updates.map(mapper), self.selection),
        }
    }

    fn valid(&self) -> Self {
        let selection = self.selection.clone();
        Self {
            updates: self.updates.valid(),
            selection: selection.map_gates(Tensor::without_autodiff),
            merged: self.merged.clone().map(Tensor::without_autodiff),
        }
    }

    fn train(self) -> Self {
        let selection = self.selection.map_gates(Tensor::autodiff);
        Self::new(self.updates.train(), selection)
    }

    fn materialize(self) -> Self {
        self
    }
}
