//! What each adapted layer contributes at a step: the rows that signatures, costs and the regulariser are made of.

use std::convert::Infallible;

use burn::{
    module::{Module, ParamId},
    optim::GradientsParams,
    tensor::Tensor,
};
use serde::{Deserialize, Serialize};

use crate::{
    adapter::{LoraAdapter, with_value},
    bank::LoraBank,
    error::LoraError,
    path::block,
    traversal::{banks, update_banks},
};

/// What a layer vector is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerView {
    /// The values of A (the released code).
    FactorA,
    /// The gradient of the loss at A (the paper). Zero while B is zero: a fresh adapter has no direction before
    /// its first step.
    GradientA,
}

/// What counts as one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Granularity {
    /// Each adapted matrix.
    Matrix,
    /// All adapted matrices of a block, side by side: those whose paths agree up to the first number
    /// (`blocks.6`).
    Block,
}

/// The vectors of all adapted layers, `[layers, features]`: v_l of the paper's section 3.
///
/// Rows are in the natural order of the paths; A `[d_in, rank]` is laid out row by row. A factor view is part of
/// the autodiff graph, so it must not be kept: what is kept of a task is a detached signature.
#[derive(Clone, Debug)]
pub struct LayerVectors {
    names: Vec<String>,
    tensor: Tensor<2>,
    slots: Vec<Slot>,
}

/// Where a matrix lies among the rows.
#[derive(Clone, Debug)]
struct Slot {
    path: String,
    id: ParamId,
    row: usize,
    start: usize,
    dims: [usize; 2],
}

impl LayerVectors {
    /// The values of A of the current adapter, in the graph.
    ///
    /// # Errors
    /// [`LoraError::Width`] when rows differ in width, [`LoraError::NoAdapters`] without adapters.
    ///
    /// # Panics
    /// When the model has several adapters and none is selected alone, or when it is not a low-rank pair.
    pub fn factor_a<M: Module>(model: &M, granularity: Granularity) -> Result<Self, LoraError> {
        Self::collect(model, granularity, |adapter, _| Ok(adapter.a.val()))
    }

    /// The gradients at A of the current adapter, outside the graph.
    ///
    /// # Errors
    /// As [`factor_a`](Self::factor_a), and [`LoraError::Layer`] when a layer has no gradient.
    ///
    /// # Panics
    /// As [`factor_a`](Self::factor_a).
    pub fn gradient_a<M: Module>(
        model: &M,
        gradients: &GradientsParams,
        granularity: Granularity,
    ) -> Result<Self, LoraError> {
        Self::collect(model, granularity, |adapter, path| {
            let gradient = gradients.get::<2>(adapter.a.id);
            gradient.ok_or_else(|| LoraError::layer(path, "A has no gradient"))
        })
    }

    fn collect<M: Module>(
        model: &M,
        granularity: Granularity,
        matrix: impl Fn(&LoraAdapter, &str) -> Result<Tensor<2>, LoraError>,
    ) -> Result<Self, LoraError> {
        let mut names: Vec<String> = Vec::new();
        let mut widths: Vec<usize> = Vec::new();
        let (mut parts, mut slots) = (Vec::new(), Vec::new());
        for attached in banks(model) {
            let path = attached.path;
            let adapter = attached.bank.pair(attached.bank.current(&path), &path);
            let matrix = matrix(adapter, &path)?;
            let name = match granularity {
                Granularity::Matrix => path.as_str(),
                Granularity::Block => block(&path),
            };
            // Natural order keeps a block's matrices together.
            if names.last().is_none_or(|last| last != name) {
                names.push(name.to_owned());
                widths.push(0);
            }
            let row = names.len() - 1;
            let (dims, id, start) = (matrix.dims(), adapter.a.id, widths[row]);
            widths[row] += dims[0] * dims[1];
            parts.push(matrix.reshape([1, dims[0] * dims[1]]));
            slots.push(Slot {
                path,
                id,
                row,
                start,
                dims,
            });
        }
        let Some(&expected) = widths.first() else {
            return Err(LoraError::NoAdapters);
        };
        if let Some(row) = widths.iter().position(|&width| width != expected) {
            return Err(LoraError::Width {
                layer: names[row].clone(),
                width: widths[row],
                first: names[0].clone(),
                expected,
            });
        }
        // Parts lie row after row, so one concatenation serves both granularities.
        let tensor = Tensor::cat(parts, 1).reshape([names.len(), expected]);
        Ok(Self {
            names,
            tensor,
            slots,
        })
    }

    /// Paths of the matrices or blocks, row by row.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The rows `[layers, features]`; of a factor view, in the graph.
    pub fn tensor(&self) -> Tensor<2> {
        self.tensor.clone()
    }

    /// Number of layers and of features.
    pub fn dims(&self) -> [usize; 2] {
        self.tensor.dims()
    }

    /// `||v_l - g_l||_1` of each layer to the row of its relative; differentiable, one device expression.
    ///
    /// # Shapes
    /// `rows [layers, features]` -> `[layers]`
    ///
    /// # Panics
    /// When the shape of `rows` is not that of the vectors.
    pub fn distances(&self, rows: Tensor<2>) -> Tensor<1> {
        self.assert_shape(&rows);
        l1(self.tensor() - rows)
    }

    /// `||v_l - g_l||_1 / (||v_l||_1 + ||g_l||_1)` of each layer, in `[0, 1]`; 0 where both are zero.
    /// Differentiable, one device expression.
    ///
    /// # Shapes
    /// `rows [layers, features]` -> `[layers]`
    ///
    /// # Panics
    /// When the shape of `rows` is not that of the vectors.
    pub fn relative_distances(&self, rows: Tensor<2>) -> Tensor<1> {
        self.assert_shape(&rows);
        let sizes = l1(self.tensor()) + l1(rows.clone());
        let empty = sizes.clone().equal_elem(0.0);
        // Rounding may pass 1 by an ulp, where the gradient vanishes anyway.
        (l1(self.tensor() - rows) / sizes.mask_fill(empty, 1.0)).clamp_max(1.0)
    }

    /// Put `rows` in the place of the gradients at A.
    ///
    /// # Shapes
    /// `rows [layers, features]`
    ///
    /// # Panics
    /// When the shape of `rows` is not that of the vectors.
    pub fn write_gradients(&self, rows: Tensor<2>, gradients: &mut GradientsParams) {
        self.assert_shape(&rows);
        for slot in &self.slots {
            // `register` adds no second entry only when the first is gone.
            let _ = gradients.remove::<2>(slot.id);
            gradients.register(slot.id, slot.matrix(&rows).without_autodiff());
        }
    }

    /// The model with `rows` in the place of the values of A; identities of parameters stay.
    ///
    /// # Shapes
    /// `rows [layers, features]`
    ///
    /// # Panics
    /// When the shape of `rows` is not that of the vectors.
    pub fn write_factors<M: Module>(&self, rows: Tensor<2>, model: M) -> M {
        self.assert_shape(&rows);
        let Ok(model) = update_banks::<M, Infallible>(model, |attached| {
            let bank = attached.bank;
            let Some(slot) = self.slots.iter().find(|slot| slot.path == attached.path) else {
                return Ok(bank);
            };
            let updates = bank
                .updates
                .iter()
                .map(|update| match update.get::<LoraAdapter>() {
                    Some(adapter) if adapter.a.id == slot.id => {
                        let a = with_value(&adapter.a, slot.matrix(&rows));
                        LoraAdapter {
                            a,
                            ..adapter.clone()
                        }
                        .into()
                    }
                    _ => update.clone(),
                });
            Ok(LoraBank::new(updates.collect(), bank.selection().clone()))
        });
        model
    }

    fn assert_shape(&self, rows: &Tensor<2>) {
        let (own, other) = (self.tensor.dims(), rows.dims());
        assert_eq!(
            own, other,
            "[layers, features] of the vectors and of the rows"
        );
    }
}

impl Slot {
    /// The matrix's part of the rows.
    fn matrix(&self, rows: &Tensor<2>) -> Tensor<2> {
        let (row, end) = (self.row, self.start + self.dims[0] * self.dims[1]);
        rows.clone()
            .slice([row..row + 1, self.start..end])
            .reshape(self.dims)
    }
}

fn l1(rows: Tensor<2>) -> Tensor<1> {
    rows.abs().sum_dim(1).squeeze_dim(1)
}
