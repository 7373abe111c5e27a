//! Arms with known mean costs on a balanced tree.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Normal};

use super::{Landscape, Noise, RegretConfig, clusters::draw_clusters};
use crate::{ArmNode, ArmTree, BanditError};

/// One draw of arms: their mean costs, the tree over them, the noise.
#[derive(Clone, Debug)]
pub struct Environment {
    means: Vec<f64>,
    tree: ArmTree,
    noise: Noise,
}

impl Environment {
    /// Draw the means. [`Landscape::Clusters`] says how it draws them; the others draw them top-down: siblings at depth `d + 1` lie up to `delta gamma^d (1 - gamma)`
    /// apart, symmetric around their parent, so that all arms below depth `d` lie within
    /// `delta gamma^d` of each other and all means in `[0, 1]`.
    ///
    /// # Errors
    /// [`BanditError::Setting`] for settings out of range, [`BanditError::EmptyTree`] without arms.
    pub fn draw(
        arms: usize,
        landscape: Landscape,
        config: &RegretConfig,
        rng: &mut impl Rng,
    ) -> Result<Self, BanditError> {
        config.validate()?;
        if landscape == Landscape::Clusters {
            let (means, tree) = draw_clusters(arms, config, rng)?;
            return Ok(Self {
                means,
                tree,
                noise: config.noise,
            });
        }
        let smoothness = |depth: usize| config.delta * config.gamma.powi(depth as i32);
        let mut tree = ArmTree::balanced(arms, smoothness)?;
        let mut means = vec![0.5; arms];
        // Breadth first, as the tree lists its nodes: (mean, depth) of each node.
        let mut placed = vec![(0.5, 0); tree.nodes().len()];
        for (node, entry) in tree.nodes().iter().enumerate() {
            let (mean, depth) = placed[node];
            match entry {
                ArmNode::Inner { left, right, .. } => {
                    let apart = smoothness(depth) * (1.0 - config.gamma);
                    let offset = apart * rng.random_range(-0.5..=0.5);
                    placed[*left] = (mean + offset, depth + 1);
                    placed[*right] = (mean - offset, depth + 1);
                }
                ArmNode::Leaf { arms, .. } => arms.iter().for_each(|&arm| means[arm] = mean),
            }
        }
        if landscape != Landscape::Smooth {
            for last in (1..arms).rev() {
                means.swap(last, rng.random_range(0..=last));
            }
        }
        if landscape == Landscape::Decoy {
            let half = arms.div_ceil(2);
            for (arm, mean) in means.iter_mut().enumerate() {
                *mean = if arm < half { 0.3 } else { 0.7 } + 0.1 * *mean;
            }
            means[rng.random_range(half.min(arms - 1)..arms)] = 0.1;
        }
        if landscape == Landscape::ShuffledMeasured {
            tree = with_measured_smoothness(&tree, &means)?;
        }
        Ok(Self {
            means,
            tree,
            noise: config.noise,
        })
    }

    /// Mean cost per arm.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// The tree over the arms.
    pub fn tree(&self) -> &ArmTree {
        &self.tree
    }

    /// One noisy cost of `arm`, in `[0, 1]`.
    ///
    /// # Panics
    /// When there is no such arm.
    pub fn cost(&self, arm: usize, rng: &mut impl Rng) -> f64 {
        let mean = self.means[arm];
        match self.noise {
            Noise::Bernoulli => f64::from(u8::from(rng.random::<f64>() < mean)),
            // A deviation that `validate` refused cannot come here; its cost would be the mean.
            Noise::ClippedGaussian { deviation } => Normal::new(mean, deviation)
                .map_or(mean, |normal| normal.sample(rng))
                .clamp(0.0, 1.0),
        }
    }
}

/// The tree with the smallest smoothness that holds however the pulls are spread below a node: its
/// worst arm less its best.
fn with_measured_smoothness(tree: &ArmTree, means: &[f64]) -> Result<ArmTree, BanditError> {
    let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); tree.nodes().len()];
    let widen = |a: (f64, f64), b: (f64, f64)| (a.0.min(b.0), a.1.max(b.1));
    for &node in tree.bottom_up() {
        ranges[node] = match &tree.nodes()[node] {
            ArmNode::Inner { left, right, .. } => widen(ranges[*left], ranges[*right]),
            ArmNode::Leaf { arms, .. } => arms
                .iter()
                .map(|&arm| (means[arm], means[arm]))
                .fold(ranges[node], widen),
        };
    }
    let mut nodes = tree.nodes().to_vec();
    for (node, (low, high)) in nodes.iter_mut().zip(ranges) {
        match node {
            ArmNode::Inner { delta, .. } | ArmNode::Leaf { delta, .. } => *delta = high - low,
        }
    }
    ArmTree::new(nodes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// How far the means below each node lie apart.
    fn spreads(environment: &Environment) -> Vec<f64> {
        with_measured_smoothness(environment.tree(), environment.means())
            .unwrap()
            .nodes()
            .iter()
            .map(ArmNode::delta)
            .collect()
    }

    #[test]
    fn smooth_means_keep_the_promise_and_shuffled_ones_break_it() {
        let config = RegretConfig::default();
        for seed in 0..10 {
            let draw = |landscape| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                Environment::draw(100, landscape, &config, &mut rng).unwrap()
            };
            let smooth = draw(Landscape::Smooth);
            let keeps = |environment: &Environment| {
                environment
                    .tree()
                    .nodes()
                    .iter()
                    .zip(spreads(environment))
                    .all(|(node, spread)| spread <= node.delta() + 1e-12)
            };
            assert!(keeps(&smooth));
            assert!(smooth.means().iter().all(|mean| (0.0..=1.0).contains(mean)));
            assert!(!keeps(&draw(Landscape::Shuffled)));
            let decoy = draw(Landscape::Decoy);
            assert!(!keeps(&decoy));
            assert_eq!(decoy.means().iter().filter(|&&m| m < 0.3).count(), 1);
            assert!(keeps(&draw(Landscape::ShuffledMeasured)));
            let clusters = draw(Landscape::Clusters);
            assert!(keeps(&clusters));
            let costliest = clusters.means().iter().copied().fold(0.0, f64::max);
            assert!((costliest - config.delta).abs() < 1e-12);
            let sorted = |environment: &Environment| {
                let mut means = environment.means().to_vec();
                means.sort_by(f64::total_cmp);
                means
            };
            assert_eq!(sorted(&smooth), sorted(&draw(Landscape::Shuffled)));
        }
    }

    #[test]
    fn costs_have_the_mean_of_their_arm() {
        for noise in [Noise::Bernoulli, Noise::ClippedGaussian { deviation: 0.1 }] {
            let config = RegretConfig {
                noise,
                ..RegretConfig::default()
            };
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let arms = Environment::draw(4, Landscape::Smooth, &config, &mut rng).unwrap();
            for arm in 0..4 {
                let draws = 20_000;
                let sum: f64 = (0..draws).map(|_| arms.cost(arm, &mut rng)).sum();
                assert!((sum / f64::from(draws) - arms.means()[arm]).abs() < 0.015);
            }
        }
    }
}
