//! One Gaussian of a class, and how it is taken from features.

use faer::Mat;

use crate::{feature_rows::FeatureRows, k_means::mean, symmetric::product};

/// One Gaussian of a class: `count` examples around `mean`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Component {
    pub(crate) count: usize,
    pub(crate) mean: Vec<f32>,
    pub(crate) spread: Spread,
}

/// How the examples lie around their mean.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Spread {
    /// Variance of each feature.
    Variance(Vec<f32>),
    /// Covariance, `[features, features]`.
    Covariance(Vec<f32>),
}

pub(crate) fn with_variance(rows: &FeatureRows, members: &[usize]) -> Component {
    let mean = mean(rows, members);
    let mut variance = vec![0f64; rows.dim()];
    for &i in members {
        for (j, to) in variance.iter_mut().enumerate() {
            *to += (f64::from(rows.row(i)[j]) - mean[j]).powi(2);
        }
    }
    let n = members.len() as f64;
    Component {
        count: members.len(),
        mean: mean.iter().map(|&x| x as f32).collect(),
        spread: Spread::Variance(variance.iter().map(|x| (x / n) as f32).collect()),
    }
}

pub(crate) fn with_covariance(rows: &FeatureRows) -> Component {
    let all: Vec<usize> = (0..rows.len()).collect();
    let mean = mean(rows, &all);
    let n = rows.len() as f64;
    let centred = Mat::from_fn(rows.len(), rows.dim(), |i, j| {
        f64::from(rows.row(i)[j]) - mean[j]
    });
    let scatter = product(centred.transpose(), centred.as_ref());
    let covariance = Mat::from_fn(rows.dim(), rows.dim(), |i, j| scatter[(i, j)] / n);
    Component {
        count: rows.len(),
        mean: mean.iter().map(|&x| x as f32).collect(),
        spread: Spread::Covariance(flat(&covariance)),
    }
}

pub(crate) fn square(values: &[f32], dim: usize) -> Mat<f64> {
    Mat::from_fn(dim, dim, |i, j| f64::from(values[i * dim + j]))
}

pub(crate) fn flat(matrix: &Mat<f64>) -> Vec<f32> {
    (0..matrix.nrows())
        .flat_map(|i| (0..matrix.ncols()).map(move |j| matrix[(i, j)] as f32))
        .collect()
}
