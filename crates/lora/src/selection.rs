//! Which of the attached updates take part in the forward.

use burn::tensor::Tensor;

use crate::gates::{Amount, Gates};

/// The updates of a [`LoraBank`](crate::LoraBank) that take part in the forward, by index. "Adapter" stands for any of
/// them.
#[derive(Clone, Debug, Default)]
pub enum Selection {
    /// The plain base.
    #[default]
    None,
    /// One adapter.
    One(usize),
    /// The sum of the updates of several adapters.
    Sum(Vec<usize>),
    /// The sum of the updates of several adapters, each with a weight.
    Weighted(Vec<(usize, f64)>),
    /// Consecutive runs of samples, each with its own adapter or none: `(adapter, number of samples)`. The
    /// counts add up to the size of the input's first axis.
    Groups(Vec<(Option<usize>, usize)>),
    /// The sum of all updates, or of the first ones, each times a gate that may have a gradient: one for all samples or
    /// one for each.
    Gated(Gates),
}

/// The samples of a batch brought into the order that [`Selection::Groups`] needs.
#[derive(Clone, Debug)]
pub struct Grouping {
    /// One group an adapter, lowest index first, samples without an adapter before them.
    pub selection: Selection,
    /// `order[i]` is the place in the batch of the i-th grouped sample.
    pub order: Vec<usize>,
    /// `inverse[i]` is the place among the grouped samples of sample i of the batch.
    pub inverse: Vec<usize>,
}

impl Selection {
    /// Group the samples of a batch by the adapter of each; samples of one group keep their order.
    ///
    /// ```
    /// use treelora_lora::Selection;
    ///
    /// let grouping = Selection::group(&[Some(1), Some(0), Some(1)]);
    /// assert!(matches!(grouping.selection, Selection::Groups(g) if g == [(Some(0), 1), (Some(1), 2)]));
    /// assert_eq!(grouping.order, [1, 0, 2]);
    /// assert_eq!(grouping.inverse, [1, 0, 2]);
    /// ```
    pub fn group(adapters: &[Option<usize>]) -> Grouping {
        let mut order: Vec<usize> = (0..adapters.len()).collect();
        order.sort_by_key(|&sample| adapters[sample]);
        let mut inverse = vec![0; order.len()];
        let mut groups: Vec<(Option<usize>, usize)> = Vec::new();
        for (place, &sample) in order.iter().enumerate() {
            inverse[sample] = place;
            match groups.last_mut() {
                Some((adapter, count)) if *adapter == adapters[sample] => *count += 1,
                _ => groups.push((adapters[sample], 1)),
            }
        }
        Grouping {
            selection: Self::Groups(groups),
            order,
            inverse,
        }
    }

    /// Largest adapter index in use.
    pub(crate) fn largest(&self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::One(index) => Some(*index),
            Self::Sum(indices) => indices.iter().copied().max(),
            Self::Weighted(terms) => terms.iter().map(|(index, _)| *index).max(),
            Self::Groups(groups) => groups.iter().filter_map(|(index, _)| *index).max(),
            Self::Gated(gates) => gates.len().checked_sub(1),
        }
    }

    /// Adapters and their weights; `None` when they differ between samples or are tensors.
    pub(crate) fn terms(&self) -> Option<Vec<(usize, f64)>> {
        match self {
            Self::None => Some(Vec::new()),
            Self::One(index) => Some(vec![(*index, 1.0)]),
            Self::Sum(indices) => Some(indices.iter().map(|&index| (index, 1.0)).collect()),
            Self::Weighted(terms) => Some(terms.clone()),
            Self::Groups(_) | Self::Gated(_) => None,
        }
    }

    /// Updates and how much of each takes part; `None` for groups, whose samples have an adapter each.
    pub(crate) fn amounts(&self) -> Option<Vec<(usize, Amount)>> {
        if let Self::Gated(gates) = self {
            return Some(gates.amounts());
        }
        let terms = self.terms()?.into_iter();
        let constant = |(index, weight)| (index, Amount::Constant(weight));
        Some(terms.map(constant).collect())
    }

    /// Whether samples differ in their updates, so that no single weight serves them all.
    pub(crate) fn varies(&self) -> bool {
        match self {
            Self::Groups(_) => true,
            Self::Gated(gates) => gates.vary(),
            _ => false,
        }
    }

    /// The same selection with `map` applied to its gates.
    pub(crate) fn map_gates(self, map: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Self {
        match self {
            Self::Gated(gates) => Self::Gated(gates.map(map)),
            other => other,
        }
    }
}
