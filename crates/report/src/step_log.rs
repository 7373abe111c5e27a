//! The training steps of `log.jsonl`.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use treelora_core::Error;

/// One training step, as the run logged it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct LoggedStep {
    /// Index of the task from 0.
    pub task: usize,
    /// Epoch within the task, from 0.
    pub epoch: usize,
    /// Step within the epoch, from 0.
    pub step: usize,
    /// Value of the objective; `None` where it was no number.
    pub loss: Option<f64>,
    /// Learning rate of the adapters.
    pub learning_rate: Option<f64>,
    /// Further numbers of the method, by name.
    #[serde(default)]
    pub terms: Vec<(String, Option<f64>)>,
}

/// Every step once, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepLog {
    /// The steps.
    pub steps: Vec<LoggedStep>,
    /// Lines that could not be read: a killed process leaves half a line behind.
    pub damaged_lines: usize,
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    Step(LoggedStep),
    #[serde(other)]
    Other,
}

impl StepLog {
    /// Read a log; without a file, without steps. Steps that a resumed run did again count once,
    /// as they were done last.
    ///
    /// # Errors
    /// When the file cannot be read, or none of its lines is an event.
    pub fn read(path: &Path) -> Result<Self, Error> {
        match path.exists() {
            true => {
                let text = fs::read(path).map_err(|e| Error::io(path, e))?;
                Self::parse(&String::from_utf8_lossy(&text), path)
            }
            false => Ok(Self::default()),
        }
    }

    fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let mut steps = BTreeMap::new();
        let (mut read, mut damaged_lines, mut first_problem) = (0, 0, String::new());
        let lines = text.lines().enumerate();
        for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            match serde_json::from_str(line) {
                Ok(Line::Step(step)) => {
                    read += 1;
                    steps.insert((step.task, step.epoch, step.step), step);
                }
                Ok(Line::Other) => read += 1,
                Err(error) => {
                    if damaged_lines == 0 {
                        first_problem = format!("line {}: {error}", index + 1);
                    }
                    damaged_lines += 1;
                }
            }
        }
        if read == 0 && damaged_lines > 0 {
            return Err(Error::format(path, first_problem));
        }
        Ok(Self {
            steps: steps.into_values().collect(),
            damaged_lines,
        })
    }

    /// Names of all terms, in the order of their first appearance.
    pub fn terms(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (name, _) in self.steps.iter().flat_map(|step| &step.terms) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }
}

impl LoggedStep {
    /// A term by its name.
    pub fn term(&self, name: &str) -> Option<f64> {
        let found = self.terms.iter().find(|(term, _)| term == name);
        found.and_then(|(_, value)| *value)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LOG: &str = r#"{"event":"stage","task":{"id":0,"name":"a","classes":[]},"steps":2}
{"event":"step","task":0,"epoch":0,"epochs":1,"step":0,"steps":2,"loss":2.0,"learning_rate":0.1,"terms":[]}
{"event":"step","task":0,"epoch":0,"epochs":1,"step":1,"steps":2,"loss":null,"learning_rate":0.1,"terms":[["pull",0.5]]}
{"event":"step","task":0,"epo{"event":"stage","task":{"id":0,"name":"a","classes":[]},"steps":2}
{"event":"step","task":0,"epoch":0,"epochs":1,"step":0,"steps":2,"loss":3.0,"learning_rate":0.1,"terms":[["pull",null],["cost",1.0]]}
"#;

    #[test]
    fn steps_count_once_and_half_a_line_is_told() {
        let log = StepLog::parse(LOG, Path::new("log.jsonl")).unwrap();
        let losses: Vec<_> = log.steps.iter().map(|step| step.loss).collect();
        assert_eq!(losses, [Some(3.0), None]);
        assert_eq!(log.damaged_lines, 1);
        assert_eq!(log.terms(), ["pull", "cost"]);
        assert_eq!(log.steps[1].term("pull"), Some(0.5));
        assert_eq!(log.steps[0].term("pull"), None);
    }

    #[test]
    fn a_file_that_is_no_log_is_named() {
        let error = StepLog::parse("not\njson\n", Path::new("log.jsonl")).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("log.jsonl: line 1"), "{message}");
        let none = StepLog::read(Path::new("no/log.jsonl")).unwrap();
        assert_eq!(none, StepLog::default());
    }
}
