//! One bandit a layer, all on one tree.

use std::sync::Arc;

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::{ArmStatistics, ArmTree, BanditError, CostScale, Policy, TreeBandit};

/// A [`TreeBandit`] per layer; the tree is shared, the statistics are separate.
///
/// Stored as the tree once and the statistics per layer; the rest follows from them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct LayerBandits {
    tree: Arc<ArmTree>,
    layers: Vec<TreeBandit>,
}

impl LayerBandits {
    /// `layers` bandits without pulls.
    pub fn new(tree: ArmTree, layers: usize, scale: CostScale) -> Self {
        let tree = Arc::new(tree);
        Self {
            layers: vec![TreeBandit::new(Arc::clone(&tree), scale); layers],
            tree,
        }
    }

    /// One arm per layer.
    pub fn choose(&mut self, policy: Policy, rng: &mut impl Rng) -> Vec<usize> {
        self.layers
            .iter_mut()
            .map(|layer| layer.choose(policy, rng))
            .collect()
    }

    /// Add one observed cost per layer, of the arms that were chosen there.
    ///
    /// # Errors
    /// [`BanditError::Layer`] naming the first layer whose cost is outside the scale; no layer
    /// records anything then.
    ///
    /// # Panics
    /// When `arms` or `costs` has another length than the layers, or an arm is not there.
    pub fn record(&mut self, arms: &[usize], costs: &[f64]) -> Result<(), BanditError> {
        assert!(
            arms.len() == self.layers.len() && costs.len() == self.layers.len(),
            "{} arms and {} costs for {} layers",
            arms.len(),
            costs.len(),
            self.layers.len()
        );
        let at = |layer| {
            move |source| BanditError::Layer {
                layer,
                source: Box::new(source),
            }
        };
        for (layer, bandit) in self.layers.iter().enumerate() {
            let check = bandit.statistics().check(arms[layer], costs[layer]);
            check.map_err(at(layer))?;
        }
        for (layer, bandit) in self.layers.iter_mut().enumerate() {
            bandit
                .record(arms[layer], costs[layer])
                .map_err(at(layer))?;
        }
        Ok(())
    }

    /// The bandits, in the order of the layers.
    pub fn layers(&self) -> &[TreeBandit] {
        &self.layers
    }

    /// The shared tree.
    pub fn tree(&self) -> &ArmTree {
        &self.tree
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    tree: ArmTree,
    layers: Vec<ArmStatistics>,
}

impl From<LayerBandits> for Stored {
    fn from(bandits: LayerBandits) -> Self {
        Self {
            tree: bandits.tree.as_ref().clone(),
            layers: bandits
                .layers
                .iter()
                .map(|layer| layer.statistics().clone())
                .collect(),
        }
    }
}

impl TryFrom<Stored> for LayerBandits {
    type Error = BanditError;

    fn try_from(Stored { tree, layers }: Stored) -> Result<Self, BanditError> {
        let tree = Arc::new(tree);
        let layers = layers.into_iter().enumerate().map(|(layer, statistics)| {
            match statistics.len() == tree.num_arms() {
                true => Ok(TreeBandit::with_statistics(Arc::clone(&tree), statistics)),
                false => Err(BanditError::ArmsDisagree {
                    layer,
                    statistics: statistics.len(),
                    tree: tree.num_arms(),
                }),
            }
        });
        Ok(Self {
            layers: layers.collect::<Result<_, _>>()?,
            tree,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn tree(arms: usize) -> ArmTree {
        ArmTree::balanced(arms, |depth| 0.5f64.powi(depth as i32)).unwrap()
    }

    #[test]
    fn one_bad_cost_spoils_no_layer() {
        let mut bandits = LayerBandits::new(tree(4), 2, CostScale::Unit);
        let error = bandits
            .record(&[1, 2], &[0.5, 1.5])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("layer 1") && error.contains("1.5"),
            "{error}"
        );
        assert!(
            bandits
                .layers()
                .iter()
                .all(|l| l.statistics().total_pulls() == 0)
        );
    }

    #[test]
    fn a_stored_bandit_goes_on_as_if_never_stopped() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut bandits = LayerBandits::new(tree(13), 3, CostScale::Unit);
        let cost = |layer: usize, arm: usize| ((layer * 31 + arm * 17) % 23) as f64 / 22.0;
        let step = |bandits: &mut LayerBandits, rng: &mut ChaCha8Rng| {
            let arms = bandits.choose(Policy::TreeLcb, rng);
            let costs: Vec<f64> = arms.iter().enumerate().map(|(l, &a)| cost(l, a)).collect();
            bandits.record(&arms, &costs).unwrap();
            arms
        };
        for _ in 0..100 {
            step(&mut bandits, &mut rng);
        }
        let json = serde_json::to_string(&bandits).unwrap();
        let mut read: LayerBandits = serde_json::from_str(&json).unwrap();
        for _ in 0..200 {
            assert_eq!(step(&mut bandits, &mut rng), step(&mut read, &mut rng));
        }
        let spoiled = json.replacen("{\"pulls\":", "{\"pulls\":0,\"sum\":0.0},{\"pulls\":", 1);
        let error = serde_json::from_str::<LayerBandits>(&spoiled).unwrap_err();
        assert!(error.to_string().contains("14 arms"), "{error}");
    }
}
