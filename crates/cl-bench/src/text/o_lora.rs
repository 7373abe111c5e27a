//! The classification tasks of O-LoRA: orders, folders and what is asked.

use serde::Deserialize;
use treelora_core::Error;

use super::record::TextRecord;

/// One record of a file.
#[derive(Debug, Deserialize)]
pub(super) struct LabelledSentence {
    sentence: String,
    label: String,
}

/// Where a task is and what its prompts ask.
#[derive(Debug)]
pub(super) struct ClassificationTask {
    pub(super) name: &'static str,
    /// The folder above that of the task.
    pub(super) group: &'static str,
    question: &'static str,
}

const TOPIC: &str = "Which topic does the text below belong to?";
const SENTIMENT: &str = "How does the writer of the text below judge its subject?";
const INFERENCE: &str = "Does sentence 1 support sentence 2, rule it out, or leave it open?";

/// Every task by name: group and question.
const TASKS: [(&str, &str, &str); 15] = [
    ("dbpedia", "TC", TOPIC),
    ("agnews", "TC", TOPIC),
    ("yahoo", "TC", TOPIC),
    ("amazon", "SC", SENTIMENT),
    ("yelp", "SC", SENTIMENT),
    ("IMDB", "SC", SENTIMENT),
    ("SST-2", "SC", SENTIMENT),
    ("MNLI", "NLI", INFERENCE),
    ("CB", "NLI", INFERENCE),
    ("RTE", "NLI", INFERENCE),
    (
        "WiC",
        "WiC",
        "Does the word have the same meaning in both sentences below?",
    ),
    (
        "COPA",
        "COPA",
        "Which of the two sentences is the answer to the question below?",
    ),
    (
        "QQP",
        "QQP",
        "Do the two questions below ask for the same thing?",
    ),
    (
        "BoolQA",
        "BoolQA",
        "Going by the passage below, is the answer to the question yes (True) or no (False)?",
    ),
    (
        "MultiRC",
        "MultiRC",
        "Going by the paragraph below, is the given answer to the question right (True) or wrong (False)?",
    ),
];

/// The tasks of O-LoRA's task order `number`, 1 to 6 (O-LoRA, arXiv 2310.14152, appendix).
///
/// # Errors
/// When there is no such order.
pub fn order(number: usize) -> Result<&'static [&'static str], Error> {
    Ok(match number {
        1 => &["dbpedia", "amazon", "yahoo", "agnews"],
        2 => &["dbpedia", "amazon", "agnews", "yahoo"],
        3 => &["yahoo", "amazon", "agnews", "dbpedia"],
        4 => &[
            "MNLI", "CB", "WiC", "COPA", "QQP", "BoolQA", "RTE", "IMDB", "yelp", "amazon", "SST-2",
            "dbpedia", "agnews", "MultiRC", "yahoo",
        ],
        5 => &[
            "MultiRC", "BoolQA", "WiC", "MNLI", "CB", "COPA", "QQP", "RTE", "IMDB", "SST-2",
            "dbpedia", "agnews", "yelp", "amazon", "yahoo",
        ],
        6 => &[
            "yelp", "amazon", "MNLI", "CB", "COPA", "QQP", "RTE", "IMDB", "SST-2", "dbpedia",
            "agnews", "yahoo", "MultiRC", "BoolQA", "WiC",
        ],
        _ => {
            let problem = format!("{number}, but O-LoRA's orders are 1 to 6");
            return Err(Error::setting("order", problem));
        }
    })
}

impl ClassificationTask {
    /// The task called `name`.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn named(name: &str) -> Result<Self, Error> {
        let found = TASKS.iter().find(|(known, ..)| *known == name);
        found
            .map(|&(name, group, question)| Self {
                name,
                group,
                question,
            })
            .ok_or_else(|| {
                let known: Vec<&str> = TASKS.iter().map(|(known, ..)| *known).collect();
                let problem = format!("`{name}`, but the tasks are: {}", known.join(", "));
                Error::setting("tasks", problem)
            })
    }

    /// Question, choices, sentence; the answer is the label.
    ///
    /// # Errors
    /// When the label is none of `labels`.
    pub(super) fn record(
        &self,
        item: LabelledSentence,
        labels: &[String],
    ) -> Result<TextRecord, String> {
        let choices = labels.join(", ");
        if !labels.contains(&item.label) {
            return Err(format!("label `{}` is none of: {choices}", item.label));
        }
        if item.sentence.trim().is_empty() {
            return Err("the sentence is empty".into());
        }
        Ok(TextRecord {
            prompt: format!(
                "{}\nChoose one of: {choices}.\n\n{}\n\nAnswer:",
                self.question,
                item.sentence.trim()
            ),
            answer: item.label,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_order_has_known_tasks_once() {
        for number in 1..=6 {
            let tasks = order(number).unwrap();
            let different: std::collections::BTreeSet<_> = tasks.iter().collect();
            assert_eq!(different.len(), if number <= 3 { 4 } else { 15 });
            for task in tasks {
                assert_eq!(ClassificationTask::named(task).unwrap().name, *task);
            }
        }
        assert!(order(0).is_err() && order(7).is_err());
    }
}
