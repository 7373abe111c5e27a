//! How strong the ridge of a regression is, and its solution.

use faer::Mat;
use serde::{Deserialize, Serialize};
use treelora_core::Error;

use crate::symmetric::{Cholesky, mean_diagonal};

/// The strength lambda of the ridge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ridge {
    /// `factor` times the mean of the diagonal of the Gram matrix: the same for any width, number
    /// of examples and scale of the features.
    Relative {
        /// Above 0.
        factor: f64,
    },
    /// This lambda.
    Fixed {
        /// Above 0.
        lambda: f64,
    },
    /// RanPAC's: of `10^-8..10^8` the one with the smallest squared error on a held-out fifth of
    /// the current task's training data. Searched coarse to fine in the exponent (steps of 4, 2,
    /// 1), so 9 systems are solved instead of 17. The choice, and with it the classifier, depends
    /// on the task that came last.
    HeldOut,
}

impl Default for Ridge {
    fn default() -> Self {
        Self::Relative { factor: 0.1 }
    }
}

impl Ridge {
    pub(super) fn validate(&self) -> Result<(), Error> {
        let (name, value) = match self {
            Self::Relative { factor } => ("factor", *factor),
            Self::Fixed { lambda } => ("lambda", *lambda),
            Self::HeldOut => return Ok(()),
        };
        match value > 0.0 && value.is_finite() {
            true => Ok(()),
            false => Err(Error::setting(name, format!("{value} is not above 0"))),
        }
    }
}

/// Held-out rows to choose lambda on.
pub(super) struct HeldOut<'a> {
    /// Gram matrix without the held-out rows.
    pub(super) gram: &'a Mat<f64>,
    /// Products with the targets, without the held-out rows, `[projections, classes]`.
    pub(super) targets: &'a Mat<f64>,
    /// Mean squared error of the weights `[projections, classes]` on the held-out rows.
    pub(super) error: &'a dyn Fn(&Mat<f64>) -> f64,
}

/// The exponent in `-8..=8` with the smallest error.
pub(super) fn choose_exponent(held_out: &HeldOut<'_>) -> i32 {
    let mut tried: Vec<(i32, f64)> = Vec::new();
    let mut best = (0, f64::INFINITY);
    let mut candidates = vec![0, -4, 4, -8, 8];
    for step in [2, 1, 0] {
        for exponent in candidates.drain(..) {
            let known = tried.iter().any(|(e, _)| *e == exponent);
            if known || !(-8..=8).contains(&exponent) {
                continue;
            }
            let error = try_solve(held_out.gram, held_out.targets, 10f64.powi(exponent))
                .map_or(f64::INFINITY, |weights| (held_out.error)(&weights));
            tried.push((exponent, error));
            if error < best.1 {
                best = (exponent, error);
            }
        }
        candidates = vec![best.0 - step, best.0 + step];
    }
    best.0
}

/// `(G + lambda I)^-1 C`, with lambda raised tenfold until the matrix is positive definite.
/// Returns the weights and the lambda that was used.
pub(super) fn solve(gram: &Mat<f64>, targets: &Mat<f64>, lambda: f64) -> (Mat<f64>, f64) {
    let mut lambda = lambda;
    loop {
        if let Some(weights) = try_solve(gram, targets, lambda) {
            return (weights, lambda);
        }
        // Where G is 0 nothing but lambda is on the diagonal.
        lambda = (10.0 * lambda).max(1e-12 * mean_diagonal(gram));
    }
}

fn try_solve(gram: &Mat<f64>, targets: &Mat<f64>, lambda: f64) -> Option<Mat<f64>> {
    let mut regular = gram.clone();
    for i in 0..regular.nrows() {
        regular[(i, i)] += lambda;
    }
    let mut weights = targets.clone();
    Cholesky::factor(regular)?.solve_in_place(weights.as_mut());
    Some(weights)
}
