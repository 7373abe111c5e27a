//! Which relatives the layers chose during a task, and how sure of them they were: for readers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use treelora_bandit::{LayerBandits, TreeBandit, lower_confidence_bound};
use treelora_core::TaskId;
use treelora_kdtree::TreeStructure;

/// A task is told in this many windows of equally many steps at most, so that the record of a task
/// is as long after 100 000 steps as after 100.
const WINDOWS: f64 = 24.0;

/// What TreeLoRA leaves of each task as `tasks/<task>/relatives.json`.
///
/// *Arms* are the slots of the past tasks while the task was learned; *slots* are those after it,
/// with the task itself, and merged to the storage budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskRelatives {
    /// The task.
    pub task: TaskId,
    /// Names of the adapted layers.
    pub layers: Vec<String>,
    /// Past tasks behind each arm: one, or several that were merged.
    pub arms: Vec<Vec<TaskId>>,
    /// The choices in the order of time; none during the first task.
    pub windows: Vec<ChoiceWindow>,
    /// Each arm after the last step, `[layer][arm]`.
    pub statistics: Vec<Vec<ArmRecord>>,
    /// Tasks behind each task number of the tree.
    pub slots: Vec<Vec<TaskId>>,
    /// The tree after the task.
    pub tree: TreeStructure,
}

impl TaskRelatives {
    /// Name of the file, without its extension.
    pub const NAME: &'static str = "relatives";
}

/// Consecutive steps of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChoiceWindow {
    /// Choices that were made until the end of the window.
    pub rounds: u64,
    /// What each layer chose.
    pub layers: Vec<LayerChoice>,
}

/// The arm that a layer chose most often in a window (the first such), as known at its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerChoice {
    /// The arm.
    pub arm: usize,
    /// Share of the window's choices that fell on it.
    pub share: f64,
    /// Its mean cost since the task began.
    pub mean: Option<f64>,
    /// Lower confidence bound of that mean (Eq. 2, leaf case).
    pub bound: Option<f64>,
}

/// What a layer's bandit knows of one arm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmRecord {
    /// How often it was chosen.
    pub pulls: u64,
    /// Mean cost; none before the first pull.
    pub mean: Option<f64>,
    /// Lower confidence bound of the mean (Eq. 2, leaf case), in the units of the costs.
    pub bound: Option<f64>,
}

impl ArmRecord {
    /// Of every arm.
    pub(crate) fn of_layer(bandit: &TreeBandit) -> Vec<Self> {
        (0..bandit.statistics().len())
            .map(|arm| Self::of(bandit, arm))
            .collect()
    }

    fn of(bandit: &TreeBandit, arm: usize) -> Self {
        let statistics = bandit.statistics();
        let (pulls, mean, unit) = (
            statistics.pulls(arm),
            statistics.mean(arm),
            statistics.unit(),
        );
        let bound = |mean: f64| unit * lower_confidence_bound(mean / unit, pulls, bandit.round());
        Self {
            pulls,
            mean,
            bound: mean.map(bound),
        }
    }
}

/// Closed windows, and counts of the open one. Only reads the bandits.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ChoiceHistory {
    closed: Vec<ChoiceWindow>,
    /// Number of the open window.
    window: usize,
    /// Choices of each layer in the open window, by arm.
    open: Vec<BTreeMap<usize, u64>>,
    rounds: u64,
    rounds_in_open: u64,
}

impl ChoiceHistory {
    /// Take note of a choice that was made when the share `progress` of the task was done, before
    /// `bandits` record its costs.
    pub(crate) fn note(&mut self, chosen: &[usize], progress: f64, bandits: &LayerBandits) {
        let window = (progress * WINDOWS) as usize;
        if window != self.window {
            self.closed.extend(self.open_window(bandits));
            self.open.clear();
            self.rounds_in_open = 0;
            self.window = window;
        }
        self.open.resize(chosen.len(), BTreeMap::new());
        for (layer, &arm) in self.open.iter_mut().zip(chosen) {
            *layer.entry(arm).or_default() += 1;
        }
        self.rounds += 1;
        self.rounds_in_open += 1;
    }

    /// All windows, the open one as it stands.
    pub(crate) fn windows(&self, bandits: &LayerBandits) -> Vec<ChoiceWindow> {
        let mut windows = self.closed.clone();
        windows.extend(self.open_window(bandits));
        windows
    }

    fn open_window(&self, bandits: &LayerBandits) -> Option<ChoiceWindow> {
        let layers = self.open.iter().zip(bandits.layers());
        let layers = layers.filter_map(|(counts, bandit)| {
            // Of equal counts the last is largest to `max_by_key`: backwards, that is the first.
            let (&arm, &count) = counts.iter().rev().max_by_key(|(_, count)| **count)?;
            let record = ArmRecord::of(bandit, arm);
            Some(LayerChoice {
                arm,
                share: count as f64 / self.rounds_in_open as f64,
                mean: record.mean,
                bound: record.bound,
            })
        });
        (self.rounds_in_open > 0).then(|| ChoiceWindow {
            rounds: self.rounds,
            layers: layers.collect(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use treelora_bandit::{ArmTree, CostScale};

    use super::*;

    #[test]
    fn windows_tell_the_most_frequent_arm_and_its_bound() {
        let tree = ArmTree::balanced(3, |_| 0.5).unwrap();
        let mut bandits = LayerBandits::new(tree, 2, CostScale::Unit);
        let mut history = ChoiceHistory::default();
        // 48 rounds are planned: two a window.
        let rounds = [[0, 2], [1, 2], [1, 0], [1, 1], [2, 0]];
        for (round, chosen) in rounds.iter().enumerate() {
            history.note(chosen, round as f64 / 48.0, &bandits);
            bandits.record(chosen, &[0.5, 0.25]).unwrap();
        }
        let windows = history.windows(&bandits);
        let told: Vec<(u64, Vec<(usize, f64)>)> = windows
            .iter()
            .map(|window| {
                let layers = window.layers.iter().map(|layer| (layer.arm, layer.share));
                (window.rounds, layers.collect())
            })
            .collect();
        assert_eq!(
            told,
            [
                (2, vec![(0, 0.5), (2, 1.0)]),
                (4, vec![(1, 1.0), (0, 0.5)]),
                (5, vec![(2, 1.0), (0, 1.0)]),
            ]
        );
        let last = &windows[2].layers[0];
        assert_eq!(last.mean, Some(0.5));
        assert_eq!(last.bound, Some(lower_confidence_bound(0.5, 1, 6)));
        let records = ArmRecord::of_layer(&bandits.layers()[1]);
        assert_eq!(records.iter().map(|arm| arm.pulls).sum::<u64>(), 5);
    }

    #[test]
    fn a_long_task_has_no_more_windows_than_a_short_one() {
        let tree = ArmTree::balanced(2, |_| 0.5).unwrap();
        let mut bandits = LayerBandits::new(tree, 1, CostScale::Unit);
        let mut history = ChoiceHistory::default();
        assert!(history.windows(&bandits).is_empty());
        for round in 0..5000 {
            history.note(&[1], f64::from(round) / 5000.0, &bandits);
            bandits.record(&[1], &[0.5]).unwrap();
        }
        assert_eq!(history.windows(&bandits).len() as f64, WINDOWS);
    }
}
