//! Inner products of the tasks of a node: all that is needed of long vectors to know directions and distances.

use burn::tensor::Tensor;

use crate::principal_component::principal_coordinates;

/// Inner products of the rows of each group less their mean, and in the last column the squared length of each row as it
/// is, `[groups, width, width + 1]`. Padding gives zeros.
pub(crate) fn to_gram(rows: Tensor<3>, weights: Tensor<3>) -> Tensor<3> {
    let mean = (rows.clone() * weights.clone()).sum_dim(1);
    let padding = weights.equal_elem(0.0);
    let apart = (rows.clone() - mean).mask_fill(padding.clone().expand(rows.dims()), 0.0);
    let products = apart.clone().matmul(apart.swap_dims(1, 2));
    let lengths = (rows.clone() * rows).sum_dim(2).mask_fill(padding, 0.0);
    Tensor::cat(vec![products, lengths], 2)
}

/// Inner products of the tasks of a group less their mean; empty where they were not asked for.
pub(crate) struct Gram {
    tasks: usize,
    products: Vec<f32>,
    lengths: Vec<f32>,
}

impl Gram {
    /// Group `position` of what [`to_gram`] gave.
    pub(crate) fn read(values: &[f32], width: usize, position: usize, tasks: usize) -> Self {
        let rows = values
            .chunks_exact(width + 1)
            .skip(position * width)
            .take(tasks);
        let mut gram = Self {
            tasks,
            products: Vec::with_capacity(tasks * tasks),
            lengths: Vec::with_capacity(tasks),
        };
        for row in rows {
            gram.products.extend(&row[..tasks]);
            gram.lengths.push(row[width]);
        }
        gram
    }

    fn row(&self, task: usize) -> &[f32] {
        let start = task * self.tasks;
        self.products.get(start..start + self.tasks).unwrap_or(&[])
    }

    pub(crate) fn is_finite(&self, task: usize) -> bool {
        self.row(task).iter().all(|product| product.is_finite())
            && self
                .lengths
                .get(task)
                .is_none_or(|length| length.is_finite())
    }

    /// Along the first principal component.
    pub(crate) fn coordinates(&self) -> Vec<f32> {
        let largest = self.lengths.iter().copied().fold(0.0, f32::max);
        let coordinates = principal_coordinates(&self.products, f64::from(largest));
        coordinates
            .iter()
            .map(|&coordinate| coordinate as f32)
            .collect()
    }

    /// The largest distance of two tasks.
    pub(crate) fn diameter(&self) -> f64 {
        let product = |a: usize, b: usize| f64::from(self.products[a * self.tasks + b]);
        let pairs = (0..self.tasks).flat_map(|a| (0..a).map(move |b| (a, b)));
        let squares = pairs.map(|(a, b)| product(a, a) + product(b, b) - 2.0 * product(a, b));
        squares.fold(0.0, f64::max).sqrt()
    }
}
