//! The classification tasks of O-LoRA: folders and what is asked.

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
        let instruction = format!("{}\nChoose one of: {choices}.\n\n", self.question);
        let sentence = item.sentence.trim();
        Ok(TextRecord {
            text: Some(instruction.len()..instruction.len() + sentence.len()),
            prompt: format!("{instruction}{sentence}\n\nAnswer:"),
            answer: item.label,
        })
    }
}
