//! Answers that are chosen among the labels of a task.

use std::collections::BTreeSet;

use treelora_cl_bench::{
    scorers::TaskMetric,
    text::{Encoding, TextTask, TokenLimits, Tokenizer},
};
use treelora_core::Error;
use treelora_models::decoder::{ContinuationScore, Decoder, SharedPrefix};

use crate::config::{answering::LabelNormalization, text_experiment_config::GenerationSettings};

/// A task with more different training answers than this has no labels unless it is told some.
const MOST_LABELS: usize = 20;
/// Training records a label, at least, where the labels are the training answers: numbers that differ from record to
/// record are no labels, be they ever so few.
const RECORDS_A_LABEL: usize = 3;
/// What a task that does not tell the text of its prompts is asked in the place of a prompt.
const BLANK: &str = "Answer:";

/// The labels of a task as a decoder reads them.
#[derive(Clone, Debug)]
pub(crate) struct LabelChoices {
    labels: Vec<String>,
    ids: Vec<Vec<u32>>,
    normalization: LabelNormalization,
    /// The prompt that asks nothing, where the normalisation wants one.
    blank: Option<Vec<u32>>,
}

impl LabelChoices {
    /// The labels of a task; `None` for a task without.
    ///
    /// # Errors
    /// When a label has no token or is too long, or two cannot be told apart; the message names the task.
    pub(crate) fn of(
        task: &TextTask,
        settings: &GenerationSettings,
        tokenizer: &Tokenizer,
        encoding: &Encoding,
        limits: TokenLimits,
    ) -> Result<Option<Self>, Error> {
        let labels = labels_of(task, settings);
        if labels.is_empty() {
            return Ok(None);
        }
        let ids = encoding.labels(tokenizer, &labels, limits.answer);
        let ids = ids.map_err(|e| match e {
            Error::Data(problem) => Error::Data(format!("{}: {problem}", task.name)),
            other => other,
        })?;
        let blank = match settings.normalization {
            LabelNormalization::Sum | LabelNormalization::Mean => None,
            LabelNormalization::Pmi => {
                let records = task.test.records.iter().chain(&task.train.records);
                let text = records.filter_map(|record| record.without_text()).next();
                let text = text.unwrap_or_else(|| BLANK.to_owned());
                Some(encoding.prompt(tokenizer, &text, limits.prompt)?.ids)
            }
        };
        Ok(Some(Self {
            labels,
            ids,
            normalization: settings.normalization,
            blank,
        }))
    }

    /// What each label has before any prompt, to be taken from what it has after one: once for all prompts.
    ///
    /// # Errors
    /// When the blank prompt with a label is longer than the context, or a score is no number.
    pub(crate) fn before(&self, model: &Decoder) -> Result<Vec<f64>, Error> {
        let Some(blank) = &self.blank else {
            return Ok(vec![0.0; self.ids.len()]);
        };
        let scores = model.score_continuations(&[blank], &self.ids)?;
        let scores = scores.into_iter().flatten();
        Ok(scores.map(|score| score.log_likelihood).collect())
    }

    /// The best label after each prompt, given what [`before`](Self::before) says; of equally good ones the first. The
    /// prompts, which all begin with `prefix`, go through the model together.
    ///
    /// # Errors
    /// When a prompt with a label is longer than the context, or a score is no number.
    pub(crate) fn choose(
        &self,
        model: &Decoder,
        prefix: &SharedPrefix,
        prompts: &[&[u32]],
        before: &[f64],
    ) -> Result<Vec<&str>, Error> {
        let scored = model.score_continuations_behind(prefix, prompts, &self.ids)?;
        Ok(scored
            .iter()
            .map(|scores| {
                let values = scores.iter().zip(before);
                let values = values.map(|(score, before)| self.value(score) - before);
                let best = values
                    .enumerate()
                    .fold((0, f64::NEG_INFINITY), |best, next| {
                        if next.1 > best.1 { next } else { best }
                    });
                self.labels[best.0].as_str()
            })
            .collect())
    }

    fn value(&self, score: &ContinuationScore) -> f64 {
        match self.normalization {
            LabelNormalization::Sum | LabelNormalization::Pmi => score.log_likelihood,
            LabelNormalization::Mean => score.mean(),
        }
    }
}

/// Those that the settings say, else those of the task's files, else the training answers where answers are right or
/// wrong and these are few; none for any other task.
pub(crate) fn labels_of(task: &TextTask, settings: &GenerationSettings) -> Vec<String> {
    match settings.labels.get(&task.name) {
        Some(labels) => labels.clone(),
        None if !task.labels.is_empty() => task.labels.clone(),
        None => training_answers(task),
    }
}

/// The different training answers in alphabetical order, where they are labels.
fn training_answers(task: &TextTask) -> Vec<String> {
    let records = &task.train.records;
    let answers: BTreeSet<&str> = records
        .iter()
        .map(|record| record.answer.as_str())
        .collect();
    let most = MOST_LABELS.min(records.len() / RECORDS_A_LABEL);
    let few = (2..=most).contains(&answers.len());
    match few && TaskMetric::for_task(&task.name).counts_right_answers() {
        true => answers.into_iter().map(str::to_owned).collect(),
        false => Vec::new(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use treelora_cl_bench::text::{TextRecord, TextSplit};

    use super::*;

    fn task(name: &str, answers: &[&str]) -> TextTask {
        let records = answers.iter().map(|answer| TextRecord {
            prompt: "p".into(),
            answer: (*answer).into(),
            text: None,
        });
        TextTask {
            name: name.into(),
            visit: 0,
            train_from: Default::default(),
            train: TextSplit {
                records: records.collect(),
                available: answers.len(),
            },
            eval: TextSplit::default(),
            test: TextSplit::default(),
            labels: Vec::new(),
        }
    }

    #[test]
    fn few_training_answers_are_labels_where_answers_are_right_or_wrong() {
        let answers = ["B", "A", "B", "B", "A", "A"];
        assert_eq!(training_answers(&task("FOMC", &answers)), ["A", "B"]);
        // A summary is neither right nor wrong.
        assert!(training_answers(&task("MeetingBank", &answers)).is_empty());
        // Numbers of one record each are none, and a single answer is no choice.
        assert!(training_answers(&task("NumGLUE-cm", &["1", "2", "3", "4"])).is_empty());
        assert!(training_answers(&task("FOMC", &["A", "A", "A"])).is_empty());
        let many: Vec<String> = (0..63).map(|number| (number % 21).to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(training_answers(&task("mine", &many)).is_empty());
        assert_eq!(
            training_answers(&task("mine", &many[..20].repeat(3))).len(),
            20
        );
    }
}
