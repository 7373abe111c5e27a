//! The whole report: runs in, figures out.

use std::{collections::BTreeSet, path::PathBuf};

use treelora_cl_bench::metrics::Convention;
use treelora_core::Error;

use crate::{Figure, RunRecord, figures, floor_groups, run_groups};

/// Tasks whose tree and choices are drawn at most: of a longer stream, this many spread evenly, the first and the
/// last among them. A page of all 200 would have tens of megabytes.
const DRAWN: usize = 40;

/// Runs with all their figures.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) runs: Vec<RunRecord>,
    /// Runs and floors side by side.
    pub(crate) comparison: Vec<Figure>,
    /// Figures of each run.
    pub(crate) of_runs: Vec<RunFigures>,
}

/// Figures of one run, by what they are about.
#[derive(Clone, Debug)]
pub(crate) struct RunFigures {
    pub(crate) scores: Vec<Figure>,
    pub(crate) training: Vec<Figure>,
    pub(crate) costs: Vec<Figure>,
    /// Trees and choices: index of the task, and its figures.
    pub(crate) tasks: Vec<(usize, Vec<Figure>)>,
}

impl Report {
    /// Read run folders.
    ///
    /// # Errors
    /// When a folder holds no run, or a file of it is damaged; the message names it.
    pub fn read(paths: &[PathBuf]) -> Result<Self, Error> {
        let runs = paths.iter().map(|path| RunRecord::read(path));
        Ok(Self::new(runs.collect::<Result<_, _>>()?))
    }

    /// Of runs in memory.
    pub fn new(runs: Vec<RunRecord>) -> Self {
        let names = runs.iter().map(|run| run.name.as_str());
        let prefixes = prefixes(names.collect());
        let of_runs = runs.iter().zip(prefixes);
        Self {
            comparison: comparison(&runs),
            of_runs: of_runs
                .map(|(run, prefix)| RunFigures::of(run, &prefix))
                .collect(),
            runs,
        }
    }

    /// The runs.
    pub fn runs(&self) -> &[RunRecord] {
        &self.runs
    }

    /// Every figure.
    pub fn figures(&self) -> impl Iterator<Item = &Figure> {
        let of_runs = self.of_runs.iter().flat_map(RunFigures::all);
        self.comparison.iter().chain(of_runs)
    }
}

impl RunFigures {
    /// `prefix` begins the names of the figures and is unique.
    fn of(run: &RunRecord, prefix: &str) -> Self {
        let name = |figure: &str| format!("{prefix}{figure}");
        let (matrix, tasks, costs) = (&run.matrix, &run.tasks, &run.costs);
        let mut scores = vec![
            figures::accuracy_matrix(&name("accuracy-matrix"), matrix, tasks),
            figures::accuracy_over_time(&name("accuracy-over-time"), matrix),
            figures::forgetting_over_time(&name("forgetting-over-time"), matrix),
            figures::task_scores(&name("task-scores"), matrix, tasks),
        ];
        for (rule, matrix) in &run.other_rules {
            let file = name(&format!("accuracy-matrix-{}", safe(rule)));
            let mut figure = figures::accuracy_matrix(&file, matrix, tasks);
            figure.title = format!("Accuracy matrix by the rule {rule}");
            scores.push(figure);
        }
        let costs = match costs.is_empty() {
            true => Vec::new(),
            false => vec![
                figures::stage_time(&name("stage-time"), costs, tasks),
                figures::stage_memory(&name("stage-memory"), costs, tasks),
            ],
        };
        let of_task = |relatives: &treelora::TaskRelatives| {
            let after = |figure: &str| name(&format!("{figure}-{:02}", relatives.task.0 + 1));
            let mut of_task = vec![figures::gradient_tree(&after("tree"), relatives, tasks)];
            // The first task has no relatives.
            if !relatives.windows.is_empty() {
                of_task.extend([
                    figures::chosen_relatives(&after("relatives"), relatives, tasks),
                    figures::bounds_over_time(&after("bounds-over-time"), relatives, tasks),
                    figures::bounds_of_arms(&after("bounds"), relatives, tasks),
                ]);
            }
            (relatives.task.0, of_task)
        };
        Self {
            scores,
            training: figures::loss_terms(prefix, &run.log, tasks),
            costs,
            tasks: spread(&run.relatives).map(of_task).collect(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Figure> {
        let of_tasks = self.tasks.iter().flat_map(|(_, figures)| figures);
        let others = self.scores.iter().chain(&self.training).chain(&self.costs);
        others.chain(of_tasks)
    }
}

/// At most [`DRAWN`] of `all`, spread evenly.
fn spread<T>(all: &[T]) -> impl Iterator<Item = &T> {
    let drawn = all.len().min(DRAWN);
    let place = move |index: usize| index * (all.len() - 1) / (drawn - 1).max(1);
    (0..drawn).map(move |index| &all[place(index)])
}

fn comparison(runs: &[RunRecord]) -> Vec<Figure> {
    let (groups, floors) = (run_groups(runs), floor_groups(runs));
    let metrics = figures::COMPARED.iter().map(|metric| {
        let name = format!("comparison-{}", metric.name());
        figures::metric_comparison(&name, *metric, &groups, &floors)
    });
    let curves = [
        (
            "comparison-accuracy-over-time",
            "Accuracy over time",
            Convention::AccLast,
        ),
        (
            "comparison-forgetting-over-time",
            "Forgetting over time",
            Convention::ForgettingMaxExclLast,
        ),
    ];
    // The curves of a single run are among its own figures.
    let curves = curves.into_iter().filter(|_| runs.len() > 1);
    let curves = curves.map(|(name, title, convention)| {
        figures::curve_comparison(name, title, convention, &groups)
    });
    metrics.chain(curves).collect()
}

/// What begins the names of each run's figures: nothing for one run, else its folder's name, with
/// a number where it occurs again.
fn prefixes(names: Vec<&str>) -> Vec<String> {
    if names.len() == 1 {
        return vec![String::new()];
    }
    let mut taken = BTreeSet::new();
    let mut unique = |name: &str| {
        let name = safe(name);
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let mut candidates = std::iter::once(name.clone()).chain(numbered);
        let free = candidates.find(|name| taken.insert(name.clone()));
        free.unwrap_or(name)
    };
    names
        .into_iter()
        .map(|name| format!("{}-", unique(name)))
        .collect()
}

/// A name that is safe in files and addresses.
fn safe(name: &str) -> String {
    let safe = |c: char| match c.is_ascii_alphanumeric() || matches!(c, '-' | '_') {
        true => c,
        false => '-',
    };
    name.chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_tasks_some_are_drawn_with_the_first_and_the_last() {
        let all: Vec<usize> = (0..200).collect();
        let drawn: Vec<usize> = spread(&all).copied().collect();
        assert_eq!((drawn.len(), drawn[0], drawn[DRAWN - 1]), (DRAWN, 0, 199));
        assert!(drawn.is_sorted_by(|left, right| left < right));
        for count in [0, 1, 2, DRAWN] {
            assert!(spread(&all[..count]).eq(&all[..count]), "{count}");
        }
    }

    #[test]
    fn runs_of_equal_names_have_files_of_their_own() {
        assert_eq!(prefixes(vec!["a b"]), [""]);
        assert_eq!(
            prefixes(vec!["a b", "a-b", "../x", "a-b"]),
            ["a-b-", "a-b-2-", "---x-", "a-b-3-"]
        );
    }
}
