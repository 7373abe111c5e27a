//! Text tasks in the order of the stream, as they are in memory.

use serde::{Deserialize, Serialize};

use super::{dataset_config::TrainSplit, record::TextRecord};

/// Tasks with their records, and what was not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextDataset {
    /// The tasks in order.
    pub tasks: Vec<TextTask>,
    /// What the files lack.
    pub missing: Vec<MissingPart>,
}

/// The records of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextTask {
    /// Its name; tasks that come back share it.
    pub name: String,
    /// How often it came before.
    pub visit: usize,
    /// The split that `train` was read from.
    pub train_from: TrainSplit,
    /// What is learned.
    pub train: TextSplit,
    /// What settings may be chosen by; empty where there is none.
    pub eval: TextSplit,
    /// What is scored.
    pub test: TextSplit,
    /// Every answer that there is, where the files list them.
    pub labels: Vec<String>,
}

impl TextTask {
    /// The name, with its number from the second visit on: `dbpedia (2)`.
    pub fn title(&self) -> String {
        match self.visit {
            0 => self.name.clone(),
            earlier => format!("{} ({})", self.name, earlier + 1),
        }
    }
}

/// Records in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextSplit {
    /// The records in use, at this visit.
    pub records: Vec<TextRecord>,
    /// How many there are in the file.
    pub available: usize,
}

/// Something that was left out because its file is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingPart {
    /// The task.
    pub task: String,
    /// The split.
    pub split: String,
    /// Name of the file that is not there, from the folder of the task on.
    pub file: String,
    /// Whether the whole task is left out: it cannot be trained or scored.
    pub task_left_out: bool,
}
