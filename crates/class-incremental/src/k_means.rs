//! k-means clustering of the features of one class.

use rand::{Rng, RngExt};

use crate::feature_rows::FeatureRows;

/// Rounds of Lloyd's algorithm at most.
const ROUNDS: usize = 100;

/// Clusters of row indices: k-means++ seeding, then Lloyd's algorithm until nothing moves. At most
/// `k` clusters and never an empty one; fewer where there are fewer distinct rows.
///
/// # Panics
/// When `k` is 0 or there are no rows.
pub(crate) fn k_means(rows: &FeatureRows, k: usize, rng: &mut impl Rng) -> Vec<Vec<usize>> {
    assert!(
        k > 0 && !rows.is_empty(),
        "k-means of {} rows into {k}",
        rows.len()
    );
    let mut centres = seeds(rows, k, rng);
    let mut assignment = vec![usize::MAX; rows.len()];
    for _ in 0..ROUNDS {
        let next: Vec<usize> = (0..rows.len())
            .map(|i| nearest(rows.row(i), &centres).0)
            .collect();
        if next == assignment {
            break;
        }
        assignment = next;
        for (cluster, centre) in centres.iter_mut().enumerate() {
            let members = members(&assignment, cluster);
            if !members.is_empty() {
                *centre = mean(rows, &members);
            }
        }
    }
    (0..centres.len())
        .map(|cluster| members(&assignment, cluster))
        .filter(|members| !members.is_empty())
        .collect()
}

/// k-means++: each next centre is a row drawn with probability proportional to its squared
/// distance to the centres so far.
fn seeds(rows: &FeatureRows, k: usize, rng: &mut impl Rng) -> Vec<Vec<f64>> {
    let row = |i: usize| -> Vec<f64> { rows.row(i).iter().map(|&x| f64::from(x)).collect() };
    let mut centres = vec![row(rng.random_range(0..rows.len()))];
    while centres.len() < k {
        let distances: Vec<f64> = (0..rows.len())
            .map(|i| nearest(rows.row(i), &centres).1)
            .collect();
        let total: f64 = distances.iter().sum();
        if total <= 0.0 {
            break;
        }
        let mut left = rng.random::<f64>() * total;
        let chosen = distances.iter().position(|d| {
            left -= d;
            left < 0.0 && *d > 0.0
        });
        // Rounding can leave a remainder after the last row.
        let last = distances.iter().rposition(|d| *d > 0.0).unwrap_or(0);
        centres.push(row(chosen.unwrap_or(last)));
    }
    centres
}

/// The nearest centre and the squared distance to it; the lowest index on ties.
fn nearest(row: &[f32], centres: &[Vec<f64>]) -> (usize, f64) {
    let mut best = (0, f64::INFINITY);
    for (index, centre) in centres.iter().enumerate() {
        let distance: f64 = row
            .iter()
            .zip(centre)
            .map(|(&x, c)| (f64::from(x) - c).powi(2))
            .sum();
        if distance < best.1 {
            best = (index, distance);
        }
    }
    best
}

fn members(assignment: &[usize], cluster: usize) -> Vec<usize> {
    (0..assignment.len())
        .filter(|&i| assignment[i] == cluster)
        .collect()
}

/// Mean of the rows at `indices`.
pub(crate) fn mean(rows: &FeatureRows, indices: &[usize]) -> Vec<f64> {
    let mut mean = vec![0.0; rows.dim()];
    for &index in indices {
        for (to, &x) in mean.iter_mut().zip(rows.row(index)) {
            *to += f64::from(x);
        }
    }
    mean.iter_mut().for_each(|x| *x /= indices.len() as f64);
    mean
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn separated_blobs_are_found_and_equal_rows_make_one_cluster() {
        let mut rows = FeatureRows::new();
        for i in 0..12 {
            let centre = (i % 3) as f32 * 10.0;
            rows.push_row(&[centre + 0.01 * i as f32, -centre], 0);
        }
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut clusters = k_means(&rows, 3, &mut rng);
        clusters.sort();
        assert_eq!(
            clusters,
            [vec![0, 3, 6, 9], vec![1, 4, 7, 10], vec![2, 5, 8, 11]]
        );

        let mut same = FeatureRows::new();
        (0..5).for_each(|_| same.push_row(&[1.0, 2.0], 0));
        assert_eq!(k_means(&same, 3, &mut rng).len(), 1);
    }
}
