//! Prompts that occur more than once.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{dataset::TextTask, record::TextRecord};

/// Records of a task whose prompt occurs elsewhere too, among the records in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicates {
    /// Training records that repeat an earlier one.
    pub within_train: usize,
    /// Test records that repeat an earlier one.
    pub within_test: usize,
    /// Test records that are in the training split: what is scored there was learned.
    pub test_in_train: usize,
    /// Validation records that are in the training split.
    pub eval_in_train: usize,
    /// Test records that are in the validation split.
    pub test_in_eval: usize,
}

impl Duplicates {
    /// Count those of a task.
    pub fn of(task: &TextTask) -> Self {
        let prompts = |records: &[TextRecord]| -> BTreeSet<String> {
            records.iter().map(|r| r.prompt.clone()).collect()
        };
        let (train, eval, test) = (&task.train.records, &task.eval.records, &task.test.records);
        let (in_train, in_eval) = (prompts(train), prompts(eval));
        let occur = |records: &[TextRecord], prompts: &BTreeSet<String>| {
            let occurs = records.iter().filter(|r| prompts.contains(&r.prompt));
            occurs.count()
        };
        Self {
            within_train: train.len() - in_train.len(),
            within_test: test.len() - prompts(test).len(),
            test_in_train: occur(test, &in_train),
            eval_in_train: occur(eval, &in_train),
            test_in_eval: occur(test, &in_eval),
        }
    }

    /// Records that occur in more than one split.
    pub fn across(&self) -> usize {
        self.test_in_train + self.eval_in_train + self.test_in_eval
    }

    /// All of them.
    pub fn total(&self) -> usize {
        self.within_train + self.within_test + self.across()
    }
}
