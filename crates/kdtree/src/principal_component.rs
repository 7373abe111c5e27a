//! Coordinates of a node's tasks along the direction in which they differ most.

/// Rows closer to their mean than this, relative to the largest row, differ by rounding of `f32` alone.
const ROUNDING: f64 = 1e-6;

/// More than enough for directions that differ; among directions of equal variance any one will do.
const MOST_STEPS: usize = 500;

/// Coordinate of each row along the first principal component; their mean is 0.
///
/// `gram` holds the `n * n` inner products of the rows less their mean, `largest` the largest squared length of a row
/// as it was. Tasks are far fewer than dimensions, so that the component is sought as a combination of rows: power
/// iteration on the Gram matrix in `f64`, from one start for all. O(n^2) a step. The row that lies farthest out has a
/// positive coordinate, the first of equals; all are 0 where the rows are equal.
pub(crate) fn principal_coordinates(gram: &[f32], largest: f64) -> Vec<f64> {
    let n = gram.len().isqrt();
    let gram = centred(gram, n);
    let variance: f64 = (0..n).map(|i| gram[i * n + i]).sum();
    if variance <= n as f64 * ROUNDING * ROUNDING * largest {
        return vec![0.0; n];
    }
    // Fractions of multiples of the golden ratio: no pattern that the rows could be at right angles to.
    let mut weights: Vec<f64> = (1..=n)
        .map(|i| (0.618_033_988_75 * i as f64).fract())
        .collect();
    let mut variance_along = 0.0;
    for _ in 0..MOST_STEPS {
        let next: Vec<f64> = gram.chunks_exact(n).map(|row| dot(row, &weights)).collect();
        let size = dot(&next, &next).sqrt();
        if size == 0.0 {
            return next;
        }
        variance_along = size;
        let next: Vec<f64> = next.iter().map(|weight| weight / size).collect();
        let moved: f64 = next
            .iter()
            .zip(&weights)
            .map(|(a, b)| (a - b).powi(2))
            .sum();
        weights = next;
        if moved < 1e-20 {
            break;
        }
    }
    let farthest = weights
        .iter()
        .fold(0.0, |most: f64, weight| most.max(weight.abs()));
    let first = weights
        .iter()
        .find(|weight| weight.abs() >= farthest * (1.0 - 1e-4));
    let sign = first.map_or(1.0, |weight| weight.signum());
    let scale = sign * variance_along.sqrt();
    weights.iter().map(|weight| scale * weight).collect()
}

/// Take out what the mean in `f32` has left: rows and columns sum to 0.
fn centred(gram: &[f32], n: usize) -> Vec<f64> {
    let mut gram: Vec<f64> = gram.iter().map(|&x| f64::from(x)).collect();
    let means: Vec<f64> = gram
        .chunks_exact(n)
        .map(|row| row.iter().sum::<f64>() / n as f64)
        .collect();
    let mean = means.iter().sum::<f64>() / n as f64;
    for (row, row_mean) in gram.chunks_exact_mut(n).zip(&means) {
        for (entry, column_mean) in row.iter_mut().zip(&means) {
            *entry += mean - row_mean - column_mean;
        }
    }
    gram
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coordinates(rows: &[[f32; 2]]) -> Vec<f64> {
        let n = rows.len() as f32;
        let mean = [0, 1].map(|i| rows.iter().map(|row| row[i]).sum::<f32>() / n);
        let apart: Vec<[f32; 2]> = rows
            .iter()
            .map(|r| [r[0] - mean[0], r[1] - mean[1]])
            .collect();
        let product = |a: &[f32; 2], b: &[f32; 2]| a[0] * b[0] + a[1] * b[1];
        let pairs = apart
            .iter()
            .flat_map(|a| apart.iter().map(move |b| product(a, b)));
        let largest = rows.iter().map(|row| product(row, row)).fold(0.0, f32::max);
        principal_coordinates(&pairs.collect::<Vec<_>>(), f64::from(largest))
    }

    /// A line of slope 1/2 with a little across it: coordinates are lengths along the line.
    #[test]
    fn coordinates_are_lengths_along_the_widest_direction() {
        let rows = [[10.0, 5.0], [12.0, 6.0], [14.0, 7.0], [18.0, 9.0]];
        let found = coordinates(&rows);
        let along = [3.5, 1.5, -0.5, -4.5].map(|x| -x * 5.0f64.sqrt() / 2.0);
        for (found, expected) in found.iter().zip(along) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }

    #[test]
    fn two_rows_equal_rows_and_an_odd_symmetry() {
        let two = coordinates(&[[1.0, 0.0], [0.0, 1.0]]);
        let half = 0.5f64.sqrt();
        assert!(
            (two[0] - half).abs() < 1e-6 && (two[1] + half).abs() < 1e-6,
            "{two:?}"
        );
        assert_eq!(coordinates(&[[0.1, 0.3]; 3]), [0.0; 3]);
        assert_eq!(coordinates(&[[0.0, 0.0]; 2]), [0.0; 2]);
        // The farthest row is at right angles to the widest direction.
        let cross = coordinates(&[[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.5]]);
        for (found, expected) in cross.iter().zip([1.0, -1.0, 1.0, -1.0, 0.0]) {
            assert!((found - expected).abs() < 1e-5, "{cross:?}");
        }
    }
}
