//! What happened to the data on its way into the stream.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    dataset::MissingPart, dataset_config::TrainSplit, duplicates::Duplicates,
    encoding::TokenLimits, majority::Majority,
};

/// Sizes, truncations, duplicates, substitutions and gaps, to be kept with the results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamReport {
    /// The limits in force, after those of the model's context.
    pub limits: TokenLimits,
    /// The tasks in order.
    pub tasks: Vec<TaskReport>,
    /// What was left out because its file is missing.
    pub missing: Vec<MissingPart>,
}

/// One task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskReport {
    /// Its name.
    pub name: String,
    /// The split that is trained on; `eval` is a declared substitution.
    pub train_from: TrainSplit,
    /// What is learned.
    pub train: SplitReport,
    /// What settings may be chosen by.
    pub eval: SplitReport,
    /// What is scored.
    pub test: SplitReport,
    /// Prompts that occur more than once.
    pub duplicates: Duplicates,
    /// The accuracy of always the same answer.
    pub majority: Option<Majority>,
}

/// One split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitReport {
    /// Records in use.
    pub records: usize,
    /// Records in the file.
    pub available: usize,
    /// Prompts that lost tokens.
    pub prompts_cut: usize,
    /// Answers that lost tokens.
    pub answers_cut: usize,
    /// Tokens of all prompts and answers in use.
    pub tokens: usize,
    /// Tokens of the longest prompt and answer in use.
    pub longest: usize,
}

impl SplitReport {
    /// The size, with that of the file where not all is used.
    fn size(&self) -> String {
        match self.records == self.available {
            true => self.records.to_string(),
            false => format!("{}/{}", self.records, self.available),
        }
    }
}

impl TaskReport {
    fn row(&self) -> [String; 8] {
        let splits = [&self.train, &self.eval, &self.test];
        let cut = |of: fn(&SplitReport) -> usize| {
            let counts = splits.map(|split| of(split).to_string());
            match counts.iter().all(|count| count == "0") {
                true => "0".into(),
                false => counts.join("/"),
            }
        };
        let source = match self.train_from {
            TrainSplit::Train => "",
            TrainSplit::Eval => " (eval)",
        };
        [
            self.name.clone(),
            format!("{}{source}", self.train.size()),
            self.eval.size(),
            self.test.size(),
            cut(|split| split.prompts_cut),
            cut(|split| split.answers_cut),
            format!("{}", self.duplicates.across()),
            match &self.majority {
                Some(majority) => format!("{:.1} %", 100.0 * majority.test_share),
                None => String::new(),
            },
        ]
    }
}

impl fmt::Display for StreamReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = [
            "task",
            "train",
            "eval",
            "test",
            "cut prompts",
            "cut answers",
            "in two splits",
            "majority",
        ];
        let mut rows = vec![header.map(str::to_owned)];
        rows.extend(self.tasks.iter().map(TaskReport::row));
        let widths: Vec<usize> = (0..header.len())
            .map(|column| {
                let cells = rows.iter().map(|row| row[column].chars().count());
                cells.max().unwrap_or(0)
            })
            .collect();
        for row in &rows {
            let cells = row.iter().zip(&widths).enumerate();
            let cells = cells.map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        let TokenLimits { prompt, answer } = self.limits;
        writeln!(
            f,
            "at most {prompt} tokens of a prompt, {answer} of an answer"
        )?;
        for part in &self.missing {
            let what = match part.task_left_out {
                true => "the task is left out",
                false => "the split is empty",
            };
            writeln!(f, "{} is missing: {what}", part.file)?;
        }
        Ok(())
    }
}
