//! Where the examples of one task are.

use std::{
    fs,
    path::{Path, PathBuf},
};

use treelora_core::{Error, read_json};

use super::{
    classification_task::{ClassificationTask, LabelledSentence},
    record::{self, TextRecord},
};

/// A task's name and files.
#[derive(Debug)]
pub(super) struct TaskSource {
    name: String,
    folder: PathBuf,
    layout: Layout,
}

#[derive(Debug)]
enum Layout {
    /// `{train,eval,test}.json` of `{prompt, answer}`.
    Prompts,
    /// The same, or `.jsonl`.
    Any,
    /// `{train,test}.json` of `{sentence, label}`, and `labels.json`.
    Labelled(ClassificationTask),
}

/// A split's records, or the file that they should be in.
pub(super) enum Found {
    Records(Vec<TextRecord>),
    Missing(PathBuf),
    /// The layout has no such split.
    NotOffered,
}

impl TaskSource {
    pub(super) fn prompts(path: &Path, name: String) -> Self {
        Self {
            folder: path.join(&name),
            name,
            layout: Layout::Prompts,
        }
    }

    pub(super) fn any(path: &Path, name: String) -> Self {
        Self {
            layout: Layout::Any,
            ..Self::prompts(path, name)
        }
    }

    /// # Errors
    /// When O-LoRA has no such task.
    pub(super) fn labelled(path: &Path, name: String) -> Result<Self, Error> {
        let task = ClassificationTask::named(&name)?;
        Ok(Self {
            folder: path.join(task.group).join(task.name),
            name,
            layout: Layout::Labelled(task),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Every answer that there is, where the layout lists them; empty otherwise.
    ///
    /// # Errors
    /// When the file is missing or damaged, or a label is empty.
    pub(super) fn labels(&self) -> Result<Vec<String>, Error> {
        match &self.layout {
            Layout::Labelled(_) => labels(&self.folder.join("labels.json")),
            Layout::Prompts | Layout::Any => Ok(Vec::new()),
        }
    }

    /// The records of `split`: `train`, `eval` or `test`.
    ///
    /// # Errors
    /// From a file that exists.
    pub(super) fn read(&self, split: &str) -> Result<Found, Error> {
        let file = self.folder.join(format!("{split}.json"));
        match &self.layout {
            Layout::Labelled(_) if split == "eval" => Ok(Found::NotOffered),
            Layout::Labelled(task) => {
                if !file.exists() {
                    return Ok(Found::Missing(file));
                }
                let labels = labels(&self.folder.join("labels.json"))?;
                record::read_as(&file, |item: LabelledSentence| task.record(item, &labels))
                    .map(Found::Records)
            }
            Layout::Any => {
                let lines = file.with_extension("jsonl");
                match (file.exists(), lines.exists()) {
                    (true, true) => Err(Error::format(
                        &file,
                        format!("`{split}.jsonl` is there as well; one of them is too many"),
                    )),
                    (false, true) => record::read(&lines).map(Found::Records),
                    _ => prompts(file),
                }
            }
            Layout::Prompts => prompts(file),
        }
    }
}

fn prompts(file: PathBuf) -> Result<Found, Error> {
    match file.exists() {
        true => record::read(&file).map(Found::Records),
        false => Ok(Found::Missing(file)),
    }
}

/// The choices of a task.
fn labels(path: &Path) -> Result<Vec<String>, Error> {
    let labels: Vec<String> = read_json(path)?;
    match labels.iter().any(|label| label.trim().is_empty()) {
        true => Err(Error::format(path, "a label is empty")),
        false => Ok(labels),
    }
}

/// Names of the folders in `path`, sorted; hidden ones are passed over.
///
/// # Errors
/// When the folder cannot be read or has none.
pub(super) fn folder_names(path: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(|e| Error::io(path, e))? {
        let entry = entry.map_err(|e| Error::io(path, e))?;
        let name = entry.file_name().into_string().map_err(|name| {
            let problem = format!("{name:?}: the name of a task must be UTF-8");
            Error::format(path, problem)
        })?;
        if entry.path().is_dir() && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    match names.is_empty() {
        true => Err(Error::format(path, "there is no folder of a task in it")),
        false => Ok(names),
    }
}
