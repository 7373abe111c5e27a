//! Arms as points in space: tasks of recurring domains, and a tree over what is known of them.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

use super::RegretConfig;
use crate::{ArmNode, ArmTree, BanditError};

const DIMENSIONS: usize = 8;

/// Standard deviation of a coordinate within a cluster, where centres have 1.
const WITHIN: f64 = 0.15;

type Point = [f64; DIMENSIONS];

/// Mean costs and tree of [`Landscape::Clusters`](super::Landscape::Clusters).
///
/// By the triangle inequality costs below a node differ by its delta at most.
///
/// # Errors
/// [`BanditError::EmptyTree`] without arms.
pub(super) fn draw_clusters(
    arms: usize,
    config: &RegretConfig,
    rng: &mut impl Rng,
) -> Result<(Vec<f64>, ArmTree), BanditError> {
    if arms == 0 {
        return Err(BanditError::EmptyTree);
    }
    let centres: Vec<Point> = (0..config.clusters)
        .map(|_| around(&[0.0; DIMENSIONS], 1.0, rng))
        .collect();
    let points: Vec<Point> = (0..arms)
        .map(|arm| around(&centres[arm % centres.len()], WITHIN, rng))
        .collect();
    let new = around(&centres[rng.random_range(0..centres.len())], WITHIN, rng);
    let distances: Vec<f64> = points.iter().map(|point| distance(point, &new)).collect();
    let farthest = distances.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let factor = config.delta / farthest;
    let means = distances.iter().map(|distance| factor * distance).collect();
    Ok((means, median_tree(&points, factor)?))
}

fn around(centre: &Point, deviation: f64, rng: &mut impl Rng) -> Point {
    centre.map(|x| x + deviation * Distribution::<f64>::sample(&StandardNormal, rng))
}

fn distance(a: &Point, b: &Point) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b));
    squares.sum::<f64>().sqrt()
}

/// Cut at the median of the coordinate of the largest variance until every leaf holds one arm; delta is the diameter
/// times `factor`.
fn median_tree(points: &[Point], factor: f64) -> Result<ArmTree, BanditError> {
    let mut nodes = Vec::with_capacity(2 * points.len());
    let mut groups = vec![(0..points.len()).collect::<Vec<usize>>()];
    let mut next = 0;
    while let Some(arms) = groups.get(next).cloned() {
        next += 1;
        let delta = factor * diameter(points, &arms);
        if arms.len() < 2 {
            nodes.push(ArmNode::Leaf { arms, delta });
            continue;
        }
        let axis = widest_axis(points, &arms);
        let mut sorted = arms;
        sorted.sort_by(|&a, &b| points[a][axis].total_cmp(&points[b][axis]));
        let right = sorted.split_off(sorted.len().div_ceil(2));
        let left = groups.len();
        nodes.push(ArmNode::Inner {
            left,
            right: left + 1,
            delta,
        });
        groups.extend([sorted, right]);
    }
    ArmTree::new(nodes)
}

fn diameter(points: &[Point], arms: &[usize]) -> f64 {
    let pairs = arms.iter().flat_map(|&a| arms.iter().map(move |&b| (a, b)));
    pairs
        .map(|(a, b)| distance(&points[a], &points[b]))
        .fold(0.0, f64::max)
}

fn widest_axis(points: &[Point], arms: &[usize]) -> usize {
    let variance = |axis: usize| {
        let mean = arms.iter().map(|&arm| points[arm][axis]).sum::<f64>() / arms.len() as f64;
        let squares = arms.iter().map(|&arm| (points[arm][axis] - mean).powi(2));
        squares.sum::<f64>()
    };
    // The last of equals, which does not matter among drawn points.
    (0..DIMENSIONS)
        .max_by(|&a, &b| variance(a).total_cmp(&variance(b)))
        .unwrap_or(0)
}
