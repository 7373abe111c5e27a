//! The floor of always giving the same answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::dataset::TextTask;

/// The most frequent training answer of a task, and how often it is right. For tasks whose answers
/// are texts, the share is near 0 and no floor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Majority {
    /// The answer; of equally frequent ones the first in alphabetical order.
    pub answer: String,
    /// Share of training records with it, in `[0, 1]`.
    pub train_share: f64,
    /// Share of test records with exactly this answer, in `[0, 1]`: its accuracy.
    pub test_share: f64,
}

impl Majority {
    /// That of a task; `None` without training records.
    pub fn of(task: &TextTask) -> Option<Self> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for record in &task.train.records {
            *counts.entry(&record.answer).or_default() += 1;
        }
        let (answer, count) = counts
            .into_iter()
            .max_by(|(a, na), (b, nb)| na.cmp(nb).then(b.cmp(a)))?;
        let test = &task.test.records;
        let right = test.iter().filter(|record| record.answer == answer).count();
        Some(Self {
            answer: answer.to_owned(),
            train_share: count as f64 / task.train.records.len() as f64,
            test_share: right as f64 / test.len().max(1) as f64,
        })
    }
}
