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

/// Settings of a [`GradientTree`](crate::GradientTree).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TreeConfig {
    /// What tasks are split by.
    pub similarity: Similarity,
    /// Levels of inner nodes at most, from 1 to the number of layers, which is the default. Tasks
    /// that are not separated by then share a leaf.
    pub max_depth: Option<usize>,
    /// Split by `G_k - G_{k-1}` (task 0: `G_0`) instead of `G_k`, as the released code does.
    pub increments: bool,
}

impl TreeConfig {
    /// The depth limit for signatures of `layers` layers.
    ///
    /// # Errors
    /// [`TreeError::Depth`] when `max_depth` is 0 or above the number of layers.
    pub fn depth_limit(&self, layers: usize) -> Result<usize, TreeError> {
        let max_depth = self.max_depth.unwrap_or(layers);
        match (1..=layers).contains(&max_depth) {
            true => Ok(max_depth),
            false => Err(TreeError::Depth { max_depth, layers }),
        }
    }
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
}
