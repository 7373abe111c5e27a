//! Labelled features on the host.

use burn::tensor::{Device, Tensor, TensorData};
use faer::Mat;
use treelora_core::{Batches, Error, Features};

/// Feature vectors with their labels, in the order in which they were pushed.
///
/// Everything that is fitted is fitted from rows in order, never from batches, so that results do
/// not depend on how the rows were grouped.
#[derive(Clone, Debug, Default)]
pub struct FeatureRows {
    dim: usize,
    values: Vec<f32>,
    labels: Vec<usize>,
}

impl FeatureRows {
    /// No rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Append the rows of a batch.
    ///
    /// # Shapes
    /// `[batch, features]`.
    ///
    /// # Panics
    /// When there are not as many labels as rows, or the width differs from earlier batches.
    pub fn push(&mut self, features: Tensor<2>, labels: &[usize]) {
        let [rows, dim] = features.dims();
        assert_eq!(
            rows,
            labels.len(),
            "{rows} rows with {} labels",
            labels.len()
        );
        assert!(
            self.is_empty() || self.dim == dim,
            "features of width {dim} after features of width {}",
            self.dim
        );
        self.dim = dim;
        self.values.extend(host(features));
        self.labels.extend_from_slice(labels);
    }

    /// Append one row.
    pub(crate) fn push_row(&mut self, row: &[f32], label: usize) {
        debug_assert!(self.is_empty() || self.dim == row.len());
        self.dim = row.len();
        self.values.extend_from_slice(row);
        self.labels.push(label);
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Width of a row; 0 without rows.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// One row.
    ///
    /// # Panics
    /// When `index` is not below [`len`](Self::len).
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.dim..(index + 1) * self.dim]
    }

    /// Labels in the order of the rows.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// The labels that occur, ascending.
    pub fn classes(&self) -> Vec<usize> {
        let mut classes = self.labels.clone();
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    /// The rows at `indices`, in that order.
    pub fn select(&self, indices: &[usize]) -> Self {
        let mut selected = Self::new();
        for &index in indices {
            selected.push_row(self.row(index), self.labels[index]);
        }
        selected
    }

    /// The rows labelled `class`.
    pub fn of_class(&self, class: usize) -> Self {
        let indices: Vec<usize> = (0..self.len())
            .filter(|&i| self.labels[i] == class)
            .collect();
        self.select(&indices)
    }

    /// All rows as a tensor.
    ///
    /// # Shapes
    /// `[rows, features]`.
    pub fn tensor(&self, device: &Device) -> Tensor<2> {
        self.block(0, self.len(), device)
    }

    /// Rows `start..end` as a tensor.
    pub(crate) fn block(&self, start: usize, end: usize, device: &Device) -> Tensor<2> {
        let values = self.values[start * self.dim..end * self.dim].to_vec();
        Tensor::from_data(TensorData::new(values, [end - start, self.dim]), device)
    }

    /// All rows in double precision.
    pub(crate) fn matrix(&self) -> Mat<f64> {
        Mat::from_fn(self.len(), self.dim, |i, j| f64::from(self.row(i)[j]))
    }
}

/// Features of all examples of a task under the attached adapters, in order, labelled by the model's groups.
///
/// # Errors
/// When the data cannot be read.
pub fn features<M: Features>(
    model: &M,
    data: &dyn Batches<M::Batch>,
) -> Result<FeatureRows, Error> {
    rows_of(model, data, M::features)
}

/// Features of all examples of a task under the frozen backbone, in order, labelled by the model's groups.
///
/// # Errors
/// When the data cannot be read.
pub fn frozen_features<M: Features>(
    model: &M,
    data: &dyn Batches<M::Batch>,
) -> Result<FeatureRows, Error> {
    rows_of(model, data, M::frozen_features)
}

fn rows_of<M: Features>(
    model: &M,
    data: &dyn Batches<M::Batch>,
    features: impl Fn(&M, &M::Batch) -> Tensor<2>,
) -> Result<FeatureRows, Error> {
    let mut rows = FeatureRows::new();
    for batch in data.batches() {
        let batch = batch?;
        rows.push(features(model, &batch), &model.groups(&batch));
    }
    Ok(rows)
}

/// The values of a tensor in row-major order, without autodiff.
pub(crate) fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .inner()
        .try_into_vec_as::<f32>()
        .expect("a float tensor can be read from its device")
}
