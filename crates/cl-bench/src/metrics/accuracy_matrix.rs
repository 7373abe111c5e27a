//! Scores of every task after every task.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Cell, decimals};

/// `R[i][j]`: the score on task `j` after training on task `i`, both counted from 0.
///
/// Rows are time. A cell is `None` until it was evaluated: the upper triangle (tasks not learned
/// yet) mostly, and every row but the last after joint training. Scores are shares in `[0, 1]`
/// where they come from counts; other scores keep their own unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccuracyMatrix {
    /// `R[i][j]`; rows may be ragged.
    scores: Vec<Vec<Option<f64>>>,
    /// Right answers and all answers of each cell, where they were counted.
    #[serde(default)]
    counts: Vec<Vec<Option<Cell>>>,
    /// `b[j]`: the score of the model before the stream.
    #[serde(default)]
    baseline: Vec<Option<f64>>,
    /// Counts of each class after each task, by label in the label space of the stream.
    #[serde(default)]
    classes: Vec<BTreeMap<usize, Cell>>,
}

impl AccuracyMatrix {
    /// A matrix without any score.
    pub fn new() -> Self {
        Self::default()
    }

    /// A matrix of scores that were not counted; rows may be ragged.
    pub fn from_scores(scores: Vec<Vec<Option<f64>>>) -> Self {
        Self {
            scores,
            ..Self::default()
        }
    }

    /// Note the counts on task `on` after training on task `after`, and their share as the score.
    pub fn record(&mut self, after: usize, on: usize, cell: Cell) {
        *at(at(&mut self.counts, after), on) = Some(cell);
        *at(at(&mut self.scores, after), on) = cell.accuracy();
    }

    /// Note a score that is no share of right answers; it has no counts.
    pub fn record_score(&mut self, after: usize, on: usize, score: f64) {
        if let Some(cell) = self.counts.get_mut(after).and_then(|row| row.get_mut(on)) {
            *cell = None;
        }
        // -0 is 0.
        *at(at(&mut self.scores, after), on) = Some(score + 0.0);
    }

    /// Add answers on one class after training on task `after`.
    pub fn record_class(&mut self, after: usize, class: usize, cell: Cell) {
        *at(&mut self.classes, after).entry(class).or_default() += cell;
    }

    /// Note the score on task `on` before the stream, from which forward transfer is measured.
    pub fn record_baseline(&mut self, on: usize, score: f64) {
        *at(&mut self.baseline, on) = Some(score);
    }

    /// `T`: the tasks up to the last row that holds a score. While a run is under way, these are
    /// the tasks trained so far.
    pub fn tasks(&self) -> usize {
        let scored = |row: &Vec<Option<f64>>| row.iter().any(Option::is_some);
        self.scores
            .iter()
            .rposition(scored)
            .map_or(0, |row| row + 1)
    }

    /// Score on task `on` after training on task `after`.
    pub fn score(&self, after: usize, on: usize) -> Option<f64> {
        *self.scores.get(after)?.get(on)?
    }

    /// Counts on task `on` after training on task `after`.
    pub fn counts(&self, after: usize, on: usize) -> Option<Cell> {
        *self.counts.get(after)?.get(on)?
    }

    /// Score on task `on` before the stream.
    pub fn baseline(&self, on: usize) -> Option<f64> {
        *self.baseline.get(on)?
    }

    /// Counts of each class after training on task `after`, by label.
    pub fn classes(&self, after: usize) -> Option<&BTreeMap<usize, Cell>> {
        self.classes.get(after)
    }

    /// Mean of row `after` over the tasks up to it; `None` when one is missing.
    pub(super) fn mean_until(&self, after: usize) -> Option<f64> {
        mean(0..after + 1, |on| self.score(after, on))
    }
}

/// The entry at `index`, the list grown as needed.
fn at<T: Clone + Default>(list: &mut Vec<T>, index: usize) -> &mut T {
    if list.len() <= index {
        list.resize(index + 1, T::default());
    }
    &mut list[index]
}

/// A table in percent: a row after each task, a column for each task, and the mean of the row over
/// the tasks trained so far.
impl std::fmt::Display for AccuracyMatrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.scores.iter().map(Vec::len).max().unwrap_or(0);
        let percent = |score: Option<f64>| match score {
            Some(score) => format!("{:>6}", decimals(100.0 * score, 2)),
            None => format!("{:>6}", "-"),
        };
        write!(f, "{:>8}", "after")?;
        for on in 0..columns {
            write!(f, " {on:>6}")?;
        }
        writeln!(f, " | {:>6}", "mean")?;
        for after in 0..self.tasks() {
            write!(f, "{after:>8}")?;
            for on in 0..columns {
                write!(f, " {}", percent(self.score(after, on)))?;
            }
            writeln!(f, " | {}", percent(self.mean_until(after)))?;
        }
        if self.baseline.iter().any(Option::is_some) {
            write!(f, "{:>8}", "baseline")?;
            for on in 0..columns {
                write!(f, " {}", percent(self.baseline(on)))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Mean of the terms; `None` without terms or when one is undefined.
pub(super) fn mean(
    range: std::ops::Range<usize>,
    term: impl Fn(usize) -> Option<f64>,
) -> Option<f64> {
    let count = range.len();
    let sum = range.map(term).sum::<Option<f64>>()?;
    (count > 0).then(|| sum / count as f64)
}
