//! How a tree is built.

use serde::{Deserialize, Serialize};

use crate::TreeError;

/// Similarity of a task's vector to the mean of its node, at the layer of the node's level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Similarity {
    /// `-||G_k - mean||_1` (Eq. 1 of the paper): the typical tasks go left, the outlying ones right.
    #[default]
    NegativeL1,
    /// `<G_k, mean>` (the released code).
    Dot,
}

/// What a node's tasks are ranked by before they are cut at the median.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitRule {
    /// [`Similarity`] to the mean of the node (Eq. 1 of the paper). It separates typical tasks from outlying ones, not one
    /// kind from another: of two equal clusters around a common mean neither is more similar to it.
    #[default]
    SimilarityMedian,
    /// Coordinate along the first principal component of the node's vectors, the direction in which they differ most.
    /// The side of the task that lies farthest out goes left, the lowest number on ties. Not in the paper.
    PrincipalComponent,
}

/// What a level of the tree looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Levels {
    /// Level `d` at layer `d` (section 3.3 of the paper), so that depth is limited by the layers.
    #[default]
    Layers,
    /// Every level at the whole signature, its layers one after the other: one tree over tasks, as deep as it needs to
    /// be. A signature of one vector has one layer. One tree per layer is one such tree of each layer's vectors.
    Whole,
}

/// What [`Node::delta`](crate::Node::delta) measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Smoothness {
    /// The largest relative L1 distance of a task below to the mean of the node: a typical distance, not a bound.
    #[default]
    ToMean,
    /// `max ||G_j - G_k||_2` over pairs of tasks below the node, divided by the same over all tasks, both at what the
    /// node's level looks at. In `[0, 1]`; the root has 1, unless all tasks are equal.
    ///
    /// This is the bound that Eq. 2 needs, in the form of Coquelin and Munos (2007): when the mean costs of arms are
    /// Lipschitz in that distance, `|mu_j - mu_k| <= c ||G_j - G_k||_2`, then all mean costs below a node lie within
    /// `c D delta` of each other, `D` being the distance of the two tasks that are farthest apart; so does the node's
    /// pooled mean, however the pulls are spread. Costs of relatives are distances to a new vector in the best case,
    /// where `c = 1` by the triangle inequality; else `c` is what a bandit has to learn from the costs.
    Diameter,
}

/// Settings of a [`GradientTree`](crate::GradientTree).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TreeConfig {
    /// Similarity to the mean of a node, for [`SplitRule::SimilarityMedian`].
    pub similarity: Similarity,
    /// What tasks are split by.
    #[serde(skip_serializing_if = "is_default")]
    pub split: SplitRule,
    /// What a level looks at.
    #[serde(skip_serializing_if = "is_default")]
    pub levels: Levels,
    /// What the delta of a node is.
    #[serde(skip_serializing_if = "is_default")]
    pub smoothness: Smoothness,
    /// Levels of inner nodes at most, from 1 to the number of layers, which is the default; with
    /// [`Levels::Whole`] any number from 1, by default as many as it takes. Tasks that are not separated by then share a
    /// leaf.
    pub max_depth: Option<usize>,
    /// Split by `G_k - G_{k-1}` (task 0: `G_0`) instead of `G_k`, as the released code does.
    pub increments: bool,
}

impl TreeConfig {
    /// The depth limit for signatures of `layers` layers.
    ///
    /// # Errors
    /// [`TreeError::Depth`] when `max_depth` is 0 or above the number of layers, [`TreeError::NoDepth`] when it is 0
    /// and the layers set no limit.
    pub fn depth_limit(&self, layers: usize) -> Result<usize, TreeError> {
        if self.levels == Levels::Whole {
            return match self.max_depth {
                Some(0) => Err(TreeError::NoDepth),
                max_depth => Ok(max_depth.unwrap_or(usize::MAX)),
            };
        }
        let max_depth = self.max_depth.unwrap_or(layers);
        match (1..=layers).contains(&max_depth) {
            true => Ok(max_depth),
            false => Err(TreeError::Depth { max_depth, layers }),
        }
    }
}

/// Whether a setting that older files do not have can be left out.
fn is_default<T: Default + PartialEq>(setting: &T) -> bool {
    *setting == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_depth_limit_is_between_one_and_the_layers() {
        let with = |max_depth| TreeConfig {
            max_depth,
            ..TreeConfig::default()
        };
        assert_eq!(with(None).depth_limit(12), Ok(12));
        assert_eq!(with(Some(5)).depth_limit(12), Ok(5));
        for max_depth in [0, 13] {
            let error = with(Some(max_depth))
                .depth_limit(12)
                .expect_err("out of range");
            assert_eq!(
                error,
                TreeError::Depth {
                    max_depth,
                    layers: 12
                }
            );
        }
    }

    #[test]
    fn layers_set_no_limit_to_a_tree_over_whole_signatures() {
        let with = |max_depth| TreeConfig {
            max_depth,
            levels: Levels::Whole,
            ..TreeConfig::default()
        };
        assert_eq!(with(Some(9)).depth_limit(1), Ok(9));
        assert_eq!(with(None).depth_limit(1), Ok(usize::MAX));
        assert_eq!(with(Some(0)).depth_limit(1), Err(TreeError::NoDepth));
    }

    /// Trees stored before there was a choice have the same text as ever.
    #[test]
    fn defaults_are_not_stored() {
        let json = serde_json::to_string(&TreeConfig::default()).expect("settings");
        let expected = r#"{"similarity":"negative-l1","max_depth":null,"increments":false}"#;
        assert_eq!(json, expected);
    }
}
