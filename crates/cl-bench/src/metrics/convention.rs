//! The numbers that the field derives from a matrix, each convention under its own name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Cell,
    accuracy_matrix::{AccuracyMatrix, mean},
};

/// One way to make a number of an [`AccuracyMatrix`].
///
/// In the formulas `T` is the number of tasks, `R[i][j]` the score on task `j` after task `i`,
/// `b[j]` the score before the stream, and both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Convention {
    /// Mean of the last row: ACC, OP, "Last".
    AccLast,
    /// Mean over time of the mean over the tasks so far: AIA, "Avg", average incremental accuracy.
    AiaTaskWeighted,
    /// Mean over time of the top-1 accuracy over all test examples so far (PILOT, InfLoRA). Needs
    /// counts.
    AiaSampleWeighted,
    /// Backward transfer as defined in the GEM paper; negative is forgetting.
    BwtGem,
    /// The same sum divided by `T`, as GEM's code does; negative is forgetting.
    BwtDivT,
    /// Backward transfer of the TreeLoRA paper, the negative of [`BwtDivT`](Self::BwtDivT);
    /// positive is forgetting.
    BwtTreeloraPaper,
    /// Backward transfer of TreeLoRA's released code: positive transfer is erased; negative is
    /// forgetting.
    BwtTreeloraCode,
    /// Forgetting of Chaudhry et al.: from the best score before the last row.
    ForgettingMaxExclLast,
    /// Forgetting as Mammoth computes it: the best score may be in the last row, so that it is
    /// never negative.
    ForgettingMaxInclLast,
    /// Forgetting as Avalanche computes it: from the score right after the task.
    ForgettingFirstLast,
    /// Forward transfer: the score right before a task is learned, above the score before the
    /// stream. Needs the baseline and the cells above the diagonal.
    Fwt,
    /// Mean of the diagonal: plasticity.
    LearningAcc,
}

/// Which values of a metric are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Larger is better.
    HigherIsBetter,
    /// Smaller is better.
    LowerIsBetter,
}

/// A number with what it means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricValue {
    /// The number, in the unit of the matrix; `None` where it is undefined.
    pub value: Option<f64>,
    /// The convention in one line.
    pub formula: String,
    /// Which values are better.
    pub direction: Direction,
}

impl Convention {
    /// Every convention, in reading order.
    pub const ALL: [Self; 12] = [
        Self::AccLast,
        Self::AiaTaskWeighted,
        Self::AiaSampleWeighted,
        Self::LearningAcc,
        Self::BwtGem,
        Self::BwtDivT,
        Self::BwtTreeloraPaper,
        Self::BwtTreeloraCode,
        Self::ForgettingMaxExclLast,
        Self::ForgettingMaxInclLast,
        Self::ForgettingFirstLast,
        Self::Fwt,
    ];

    /// Name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::AccLast => "acc_last",
            Self::AiaTaskWeighted => "aia_task_weighted",
            Self::AiaSampleWeighted => "aia_sample_weighted",
            Self::BwtGem => "bwt_gem",
            Self::BwtDivT => "bwt_div_t",
            Self::BwtTreeloraPaper => "bwt_treelora_paper",
            Self::BwtTreeloraCode => "bwt_treelora_code",
            Self::ForgettingMaxExclLast => "forgetting_max_excl_last",
            Self::ForgettingMaxInclLast => "forgetting_max_incl_last",
            Self::ForgettingFirstLast => "forgetting_first_last",
            Self::Fwt => "fwt",
            Self::LearningAcc => "learning_acc",
        }
    }

    /// The convention in one line, to print beside the number.
    pub fn formula(self) -> &'static str {
        match self {
            Self::AccLast => "(1/T) sum_j R[T][j]",
            Self::AiaTaskWeighted => "(1/T) sum_i (1/i) sum_{j<=i} R[i][j]",
            Self::AiaSampleWeighted => "(1/T) sum_i (right answers / answers over tasks j<=i)",
            Self::BwtGem => "(1/(T-1)) sum_{j<T} (R[T][j] - R[j][j]), negative = forgetting",
            Self::BwtDivT => "(1/T) sum_j (R[T][j] - R[j][j]), negative = forgetting",
            Self::BwtTreeloraPaper => "(1/T) sum_j (R[j][j] - R[T][j]), positive = forgetting",
            Self::BwtTreeloraCode => "(1/T) sum_j min(R[T][j] - R[j][j], 0), negative = forgetting",
            Self::ForgettingMaxExclLast => "(1/(T-1)) sum_{j<T} (max_{i<T} R[i][j] - R[T][j])",
            Self::ForgettingMaxInclLast => "(1/(T-1)) sum_{j<T} (max_{i<=T} R[i][j] - R[T][j])",
            Self::ForgettingFirstLast => "(1/(T-1)) sum_{j<T} (R[j][j] - R[T][j])",
            Self::Fwt => "(1/(T-1)) sum_{j>=2} (R[j-1][j] - b[j])",
            Self::LearningAcc => "(1/T) sum_j R[j][j]",
        }
    }

    /// Which values are better.
    pub fn direction(self) -> Direction {
        match self {
            Self::BwtTreeloraPaper
            | Self::ForgettingMaxExclLast
            | Self::ForgettingMaxInclLast
            | Self::ForgettingFirstLast => Direction::LowerIsBetter,
            _ => Direction::HigherIsBetter,
        }
    }

    /// The number with its meaning.
    pub fn of(self, matrix: &AccuracyMatrix) -> MetricValue {
        MetricValue {
            // -0 is 0.
            value: self.value(matrix).map(|value| value + 0.0),
            formula: self.formula().to_owned(),
            direction: self.direction(),
        }
    }

    /// The number; `None` when a cell it needs is missing, or when it divides by `T - 1` and there
    /// is a single task.
    pub fn value(self, matrix: &AccuracyMatrix) -> Option<f64> {
        let tasks = matrix.tasks();
        let last = tasks.checked_sub(1)?;
        let learned = |j| matrix.score(j, j);
        let at_the_end = |j| matrix.score(last, j);
        match self {
            Self::AccLast => mean(0..tasks, at_the_end),
            Self::AiaTaskWeighted => mean(0..tasks, |i| matrix.mean_until(i)),
            Self::AiaSampleWeighted => mean(0..tasks, |i| matrix.pooled_until(i)),
            Self::LearningAcc => mean(0..tasks, learned),
            Self::BwtGem => mean(0..last, |j| Some(at_the_end(j)? - learned(j)?)),
            Self::BwtDivT => mean(0..tasks, |j| Some(at_the_end(j)? - learned(j)?)),
            Self::BwtTreeloraPaper => mean(0..tasks, |j| Some(learned(j)? - at_the_end(j)?)),
            Self::BwtTreeloraCode => {
                mean(0..tasks, |j| Some((at_the_end(j)? - learned(j)?).min(0.0)))
            }
            Self::ForgettingMaxExclLast => {
                mean(0..last, |j| Some(matrix.best(j, last)? - at_the_end(j)?))
            }
            Self::ForgettingMaxInclLast => mean(0..last, |j| {
                let end = at_the_end(j)?;
                Some(matrix.best(j, last)?.max(end) - end)
            }),
            Self::ForgettingFirstLast => mean(0..last, |j| Some(learned(j)? - at_the_end(j)?)),
            Self::Fwt => mean(1..tasks, |j| {
                Some(matrix.score(j - 1, j)? - matrix.baseline(j)?)
            }),
        }
    }
}

impl AccuracyMatrix {
    /// Every [`Convention`] by its name, undefined ones with value `None`.
    pub fn metrics(&self) -> BTreeMap<String, MetricValue> {
        Convention::ALL
            .iter()
            .map(|convention| (convention.name().to_owned(), convention.of(self)))
            .collect()
    }

    /// Share of right answers among all answers of row `after` on the tasks up to it.
    fn pooled_until(&self, after: usize) -> Option<f64> {
        let mut pooled = Cell::default();
        for on in 0..=after {
            pooled += self.counts(after, on)?;
        }
        pooled.accuracy()
    }

    /// Best score on task `on` in the rows before `end`; every row since the task was learned must
    /// hold one, earlier rows count where they do.
    fn best(&self, on: usize, end: usize) -> Option<f64> {
        let before = (0..on.min(end)).filter_map(|after| self.score(after, on));
        let mut best = before.fold(f64::NEG_INFINITY, f64::max);
        for after in on..end {
            best = best.max(self.score(after, on)?);
        }
        best.is_finite().then_some(best)
    }
}
