//! In which order a versatile-incremental stream visits its domains and groups of classes.

use serde::{Deserialize, Serialize};

use super::shuffled;

/// Order of tasks that come back: the pairs of a domain and a group of classes of a versatile-incremental stream, which
/// come back with more tasks than pairs, or text tasks with several visits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskOrder {
    /// A group in one domain after the other, then the next group: task `t` has domain `t mod D` and group
    /// `(t div D) mod G`. Text tasks in their order, again and again.
    #[default]
    Interleaved,
    /// All pairs, or all text tasks, in a random order by this seed, round after round, each round in an order of its own.
    Shuffled(u64),
}

/// What one task is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Visit {
    /// Position of the domain in the order of domains.
    pub(super) domain: usize,
    /// Number of the group of classes.
    pub(super) group: usize,
    /// Earlier tasks that have the group, in whatever domain.
    pub(super) earlier: usize,
}

impl TaskOrder {
    /// What `round` goes through, out of `count`, each once.
    pub(crate) fn round(self, count: usize, round: u64) -> Vec<usize> {
        let all: Vec<usize> = (0..count).collect();
        match self {
            Self::Interleaved => all,
            Self::Shuffled(seed) => shuffled(&all, treelora_core::mix(&[seed, round])),
        }
    }

    /// The pairs of `tasks` tasks over `domains` domains and `groups` groups, none of them 0.
    pub(super) fn visits(self, tasks: usize, domains: usize, groups: usize) -> Vec<Visit> {
        let rounds = (0_u64..).map(|round| self.round(domains * groups, round));
        let mut seen = vec![0; groups];
        rounds
            .flatten()
            .take(tasks)
            .map(|pair| {
                let (domain, group) = (pair % domains, pair / domains);
                seen[group] += 1;
                Visit {
                    domain,
                    group,
                    earlier: seen[group] - 1,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn interleaved_tasks_follow_the_formula() {
        for (t, visit) in TaskOrder::Interleaved
            .visits(31, 3, 4)
            .into_iter()
            .enumerate()
        {
            assert_eq!(visit.domain, t % 3);
            assert_eq!(visit.group, t / 3 % 4);
            assert_eq!(visit.earlier, t / 12 * 3 + t % 3);
        }
    }

    #[test]
    fn every_shuffled_round_has_all_pairs_in_an_order_of_its_own() {
        let order = |seed| -> Vec<(usize, usize)> {
            let visits = TaskOrder::Shuffled(seed).visits(40, 3, 4);
            let pairs = visits.iter().map(|visit| (visit.domain, visit.group));
            pairs.collect()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        let rounds = order(1);
        for round in rounds.chunks_exact(12) {
            assert_eq!(round.iter().collect::<BTreeSet<_>>().len(), 12);
        }
        assert_ne!(rounds[..12], rounds[12..24]);
        assert_eq!(rounds.len(), 40);
        let visits = TaskOrder::Shuffled(1).visits(40, 3, 4);
        for (task, visit) in visits.iter().enumerate() {
            let earlier = visits[..task].iter().filter(|v| v.group == visit.group);
            assert_eq!(visit.earlier, earlier.count());
        }
    }
}
