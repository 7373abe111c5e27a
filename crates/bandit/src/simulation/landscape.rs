//! Kinds of mean costs.

use serde::{Deserialize, Serialize};

/// How the mean costs relate to the tree, and what the tree claims about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Landscape {
    /// Arms below a node of depth `d` differ by at most `delta * gamma^d`, and the tree says so.
    Smooth,
    /// The same means, shuffled: the tree tells nothing, but still claims `delta * gamma^d`.
    Shuffled,
    /// The same means, shuffled, but each node's smoothness is the one that holds: how far the mean
    /// of its arms lies above its best arm at most. The tree tells nothing and does not lie.
    ShuffledMeasured,
    /// Half of the tree lies in `[0.3, 0.4]`, the other half in `[0.7, 0.8]` but for one arm at 0.1,
    /// and the tree claims `delta * gamma^d`: the worst case, since a good half is known and the
    /// relatives of the best arm speak against it.
    Decoy,
    /// Points of eight dimensions in clusters, the arms dealt to them in turn. The cost of an arm is its distance from a
    /// new point of one of the clusters, the tree cuts the points at the median of the coordinate that varies most, and
    /// its deltas are the largest distance between two points below, divided, as the costs are, so that the farthest arm
    /// costs `delta`. Tasks of recurring domains, whose signatures are known.
    Clusters,
}
