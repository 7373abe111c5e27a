//! Right answers among all answers.

use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// Right answers among all answers of one evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Right answers.
    pub correct: usize,
    /// All answers.
    pub total: usize,
}

impl Cell {
    /// Share of right answers in `[0, 1]`; `None` without any answer.
    pub fn accuracy(&self) -> Option<f64> {
        (self.total > 0).then(|| self.correct as f64 / self.total as f64)
    }
}

impl Add for Cell {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl AddAssign for Cell {
    fn add_assign(&mut self, other: Self) {
        self.correct += other.correct;
        self.total += other.total;
    }
}
