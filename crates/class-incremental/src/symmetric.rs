//! Symmetric positive definite matrices on the host, in double precision.
//!
//! Single-threaded on purpose: the bits of a result then never depend on the number of threads.

use faer::{
    Accum, Mat, MatMut, Par,
    dyn_stack::{MemBuffer, MemStack},
    linalg::{
        cholesky::llt::{factor, solve},
        matmul::matmul,
        triangular_solve::solve_lower_triangular_in_place,
    },
    prelude::default,
};

/// The factor of `A = L L^T`.
#[derive(Clone, Debug)]
pub(crate) struct Cholesky {
    lower: Mat<f64>,
}

impl Cholesky {
    /// Factor a symmetric matrix of which the lower triangle is read; `None` when it is not
    /// positive definite in double precision.
    pub(crate) fn factor(mut matrix: Mat<f64>) -> Option<Self> {
        let n = matrix.nrows();
        let mut memory = MemBuffer::new(factor::cholesky_in_place_scratch::<f64>(
            n,
            Par::Seq,
            default(),
        ));
        factor::cholesky_in_place(
            matrix.as_mut(),
            default(),
            Par::Seq,
            MemStack::new(&mut memory),
            default(),
        )
        .ok()?;
        for j in 0..n {
            for i in 0..j {
                matrix[(i, j)] = 0.0;
            }
        }
        // A factorisation that went through on numbers that are not finite is none.
        let finite = (0..n).all(|i| matrix[(i, i)].is_finite() && matrix[(i, i)] > 0.0);
        finite.then_some(Self { lower: matrix })
    }

    /// Replace `rhs` by `A^-1 rhs`.
    pub(crate) fn solve_in_place(&self, rhs: MatMut<'_, f64>) {
        let mut memory = MemBuffer::new(solve::solve_in_place_scratch::<f64>(
            self.lower.nrows(),
            rhs.ncols(),
            Par::Seq,
        ));
        solve::solve_in_place(
            self.lower.as_ref(),
            rhs,
            Par::Seq,
            MemStack::new(&mut memory),
        );
    }

    /// `L^-1`, lower triangular.
    pub(crate) fn inverse_lower(&self) -> Mat<f64> {
        let n = self.lower.nrows();
        let mut inverse = Mat::from_fn(n, n, |i, j| if i == j { 1.0 } else { 0.0 });
        solve_lower_triangular_in_place(self.lower.as_ref(), inverse.as_mut(), Par::Seq);
        inverse
    }

    /// `ln det A`.
    pub(crate) fn ln_determinant(&self) -> f64 {
        (0..self.lower.nrows())
            .map(|i| 2.0 * self.lower[(i, i)].ln())
            .sum()
    }

    /// The lower triangle `L`, zeros above.
    pub(crate) fn lower(&self) -> &Mat<f64> {
        &self.lower
    }
}

/// `A B`.
pub(crate) fn product(a: faer::MatRef<'_, f64>, b: faer::MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    matmul(&mut out, Accum::Replace, a, b, 1.0, Par::Seq);
    out
}

/// Mean of the diagonal.
pub(crate) fn mean_diagonal(matrix: &Mat<f64>) -> f64 {
    let n = matrix.nrows();
    (0..n).map(|i| matrix[(i, i)]).sum::<f64>() / n.max(1) as f64
}

/// `(1 - amount) A + amount * mean(diag A) * I`.
pub(crate) fn shrink(matrix: &Mat<f64>, amount: f64) -> Mat<f64> {
    let level = amount * mean_diagonal(matrix);
    Mat::from_fn(matrix.nrows(), matrix.ncols(), |i, j| {
        (1.0 - amount) * matrix[(i, j)] + if i == j { level } else { 0.0 }
    })
}

/// Factor `matrix` after the smallest shrinkage to the identity that makes it positive definite:
/// none, then `1e-6`, `1e-5`, ... up to 1. Returns the factor and the shrinkage.
///
/// A matrix without any spread (all zero) becomes `1e-6 I`, reported as shrinkage 1.
pub(crate) fn factor_repaired(matrix: &Mat<f64>) -> (Cholesky, f64) {
    if let Some(factor) = Cholesky::factor(matrix.clone()) {
        return (factor, 0.0);
    }
    for exponent in (0..=6).rev() {
        let amount = 10f64.powi(-exponent);
        if let Some(factor) = Cholesky::factor(shrink(matrix, amount)) {
            return (factor, amount);
        }
    }
    let n = matrix.nrows();
    let lower = Mat::from_fn(n, n, |i, j| if i == j { 1e-3 } else { 0.0 });
    (Cholesky { lower }, 1.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_solves_what_it_factored() {
        let a = Mat::from_fn(3, 3, |i, j| if i == j { 4.0 } else { 1.0 });
        let x = Mat::from_fn(3, 1, |i, _| i as f64 + 1.0);
        let mut b = product(a.as_ref(), x.as_ref());
        Cholesky::factor(a).unwrap().solve_in_place(b.as_mut());
        for i in 0..3 {
            assert!((b[(i, 0)] - x[(i, 0)]).abs() < 1e-12);
        }
    }

    #[test]
    fn a_singular_matrix_is_repaired_by_the_smallest_shrinkage_that_helps() {
        let ones = Mat::from_fn(4, 4, |_, _| 1.0);
        let (factor, amount) = factor_repaired(&ones);
        assert!(amount > 0.0 && amount <= 1e-3, "{amount}");
        let back = product(factor.lower().as_ref(), factor.lower().transpose());
        assert!((back[(0, 0)] - 1.0).abs() < 1e-9);
        let (_, none) = factor_repaired(&Mat::from_fn(2, 2, |i, j| f64::from(u8::from(i == j))));
        assert_eq!(none, 0.0);
        let (_, zero) = factor_repaired(&Mat::zeros(2, 2));
        assert_eq!(zero, 1.0);
    }
}
