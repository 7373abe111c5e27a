//! How well features tell groups apart, from a few examples and without training.

use faer::Mat;

use crate::{
    feature_rows::FeatureRows,
    symmetric::{Cholesky, mean_diagonal, product},
};

/// Ridge over the mean of the Gram matrix's diagonal.
const RIDGE: f64 = 0.1;

/// The mean squared error of a ridge regression from features to groups (one-hot), each example predicted from all
/// others: about 0 where the groups lie apart, `1 - 1 / groups` and more where features say nothing of them.
///
/// Closed form, from the inverse of one matrix as large as there are examples (Allen's PRESS, 1974): what an analytic
/// head on these features would do on new examples. The ridge is relative to the features' size, so their scale has no
/// influence. With a single group there is nothing to tell apart: 0.
///
/// # Panics
/// Without examples.
pub fn leave_one_out_error(rows: &FeatureRows) -> f64 {
    let (count, groups) = (rows.len(), rows.classes());
    assert!(count > 0, "no examples");
    let features = centred(rows.matrix());
    let targets = centred(Mat::from_fn(count, groups.len(), |i, j| {
        f64::from(u8::from(rows.labels()[i] == groups[j]))
    }));
    let mut gram = product(features.as_ref(), features.transpose());
    let ridge = RIDGE * mean_diagonal(&gram);
    for i in 0..count {
        gram[(i, i)] += ridge;
    }
    // Features that do not differ predict the mean of the others.
    let Some(factor) = Cholesky::factor(gram) else {
        let rest = count as f64 / (count as f64 - 1.0).max(1.0);
        return mean_square(&targets, |_| rest);
    };
    let root = factor.inverse_lower();
    let inverse = product(root.transpose(), root.as_ref());
    let residuals = product(inverse.as_ref(), targets.as_ref());
    mean_square(&residuals, |i| 1.0 / inverse[(i, i)])
}

/// Rows less their mean.
fn centred(mut matrix: Mat<f64>) -> Mat<f64> {
    for j in 0..matrix.ncols() {
        let mean = matrix.col(j).iter().sum::<f64>() / matrix.nrows() as f64;
        for i in 0..matrix.nrows() {
            matrix[(i, j)] -= mean;
        }
    }
    matrix
}

/// Mean over rows of their squared lengths, each row times `factor`.
fn mean_square(rows: &Mat<f64>, factor: impl Fn(usize) -> f64) -> f64 {
    let squares = (0..rows.nrows()).map(|i| {
        let square: f64 = (0..rows.ncols()).map(|j| rows[(i, j)] * rows[(i, j)]).sum();
        square * factor(i) * factor(i)
    });
    squares.sum::<f64>() / rows.nrows() as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    fn rows(apart: f32, groups: usize, count: usize, scale: f32) -> FeatureRows {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut rows = FeatureRows::new();
        for i in 0..count {
            let group = i % groups;
            let mut row: Vec<f32> = (0..12).map(|_| StandardNormal.sample(&mut rng)).collect();
            row[group] += apart;
            row.iter_mut().for_each(|x| *x *= scale);
            rows.push_row(&row, group);
        }
        rows
    }

    #[test]
    fn it_is_what_leaving_each_out_gives() {
        let all = rows(1.5, 3, 15, 1.0);
        let x = centred(all.matrix());
        let y = centred(Mat::from_fn(15, 3, |i, j| f64::from(u8::from(i % 3 == j))));
        let ridge = RIDGE * mean_diagonal(&product(x.as_ref(), x.transpose()));
        let mut error = 0.0;
        for left in 0..15 {
            let others: Vec<usize> = (0..15).filter(|i| *i != left).collect();
            let x_rest = Mat::from_fn(14, 12, |i, j| x[(others[i], j)]);
            let y_rest = Mat::from_fn(14, 3, |i, j| y[(others[i], j)]);
            let mut normal = product(x_rest.transpose(), x_rest.as_ref());
            for i in 0..12 {
                normal[(i, i)] += ridge;
            }
            let mut weights = product(x_rest.transpose(), y_rest.as_ref());
            Cholesky::factor(normal)
                .unwrap()
                .solve_in_place(weights.as_mut());
            for j in 0..3 {
                let predicted: f64 = (0..12).map(|k| x[(left, k)] * weights[(k, j)]).sum();
                error += (y[(left, j)] - predicted).powi(2) / 15.0;
            }
        }
        let found = leave_one_out_error(&all);
        assert!((found - error).abs() < 1e-9, "{found} {error}");
    }

    #[test]
    fn groups_that_lie_apart_cost_less_whatever_the_scale() {
        let errors =
            [0.0, 1.0, 3.0, 9.0].map(|apart| leave_one_out_error(&rows(apart, 4, 48, 1.0)));
        assert!(
            errors.windows(2).all(|pair| pair[1] < pair[0]),
            "{errors:?}"
        );
        assert!(errors[0] > 0.7 && errors[3] < 0.1, "{errors:?}");
        let scaled = leave_one_out_error(&rows(3.0, 4, 48, 1024.0));
        assert!((scaled - errors[2]).abs() < 1e-6);
    }

    #[test]
    fn nothing_to_tell_apart_and_nothing_to_tell_by() {
        assert_eq!(leave_one_out_error(&rows(1.0, 1, 8, 1.0)), 0.0);
        let blind = leave_one_out_error(&rows(1.0, 2, 8, 0.0));
        assert!(
            (blind - 0.5 * (8.0f64 / 7.0).powi(2)).abs() < 1e-9,
            "{blind}"
        );
    }
}
