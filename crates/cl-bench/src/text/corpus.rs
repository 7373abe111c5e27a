//! Texts to train a decoder on from scratch: plain files and the training splits of text tasks.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use treelora_core::{Error, read_text};

use super::dataset_config::TextDatasetConfig;
use crate::sha256::sha256_of_parts;

/// The `[data]` table of pre-training on text.
///
/// ```
/// use treelora_cl_bench::text::CorpusConfig;
///
/// let config: CorpusConfig = toml::from_str(
///     "files = ['stories']\ntasks = [{ name = 'trace', path = 'LLM-CL-Benchmark_500' }]\n",
/// )?;
/// assert_eq!(config.tasks.len(), 1);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorpusConfig {
    /// Folder that the paths below start from; the working folder when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Text files in UTF-8, and folders of which every `.txt` file is taken, however deep. A file
    /// is a document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<PathBuf>,
    /// Text tasks. What a task is trained on is read and nothing else; a record is a document,
    /// its prompt followed by its answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TextDatasetConfig>,
}

/// Texts in a fixed order: files, then tasks, as the configuration names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corpus {
    /// The documents.
    pub documents: Vec<Document>,
}

/// One text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Parts that are encoded one by one and joined: the whole text, or prompt and answer, whose
    /// tokens are then those of fine-tuning.
    pub parts: Vec<String>,
}

impl CorpusConfig {
    /// Check what can be checked without the data.
    ///
    /// # Errors
    /// Names the key.
    pub fn validate(&self) -> Result<(), Error> {
        if self.files.is_empty() && self.tasks.is_empty() {
            let problem = "no text: name `.txt` files or folders here, or tasks in `data.tasks`";
            return Err(Error::setting("files", problem));
        }
        let mut tasks = self.tasks.iter().enumerate();
        tasks.try_for_each(|(index, task)| task.validate().map_err(|e| e.within(&task_key(index))))
    }

    /// Read all texts.
    ///
    /// # Errors
    /// When a setting is out of range, a file is missing or not what it should be, or there is no
    /// text at all.
    pub fn open(&self) -> Result<Corpus, Error> {
        self.validate()?;
        let mut documents = Vec::new();
        for path in &self.files {
            for file in text_files(&self.located(path))? {
                documents.push(Document {
                    parts: vec![read_text(&file)?],
                });
            }
        }
        for (index, config) in self.tasks.iter().enumerate() {
            let located = |path: &Option<PathBuf>| path.as_ref().map(|path| self.located(path));
            let config = TextDatasetConfig {
                path: located(&config.path),
                classification_path: located(&config.classification_path),
                ..config.clone()
            };
            let splits = config
                .open_training()
                .map_err(|e| e.within(&task_key(index)))?;
            let records = splits.into_iter().flat_map(|split| split.records);
            documents.extend(records.map(|record| Document {
                parts: vec![record.prompt, record.answer],
            }));
        }
        documents.retain(|document| document.parts.iter().any(|part| !part.trim().is_empty()));
        match documents.is_empty() {
            true => Err(Error::setting("files", "there is no text in the files")),
            false => Ok(Corpus { documents }),
        }
    }

    fn located(&self, path: &Path) -> PathBuf {
        match &self.path {
            Some(root) => root.join(path),
            None => path.to_owned(),
        }
    }
}

impl Corpus {
    /// All parts of all documents.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let documents = self.documents.iter();
        documents.flat_map(|document| document.parts.iter().map(String::as_str))
    }

    /// SHA-256 of all texts in order, as hexadecimal digits.
    pub fn sha256(&self) -> String {
        sha256_of_parts(self.texts().map(str::as_bytes))
    }
}

/// A file itself, or the `.txt` files of a folder and the folders in it, sorted.
///
/// # Errors
/// When there is no such file, or no `.txt` file in the folder.
fn text_files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let (mut files, mut folders) = (Vec::new(), vec![path.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|e| Error::io(&folder, e))? {
            let entry = entry.map_err(|e| Error::io(&folder, e))?;
            let (path, kind) = (
                entry.path(),
                entry.file_type().map_err(|e| Error::io(&folder, e))?,
            );
            // A link to a folder is not followed: it may lead back.
            if kind.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "txt") {
                files.push(path);
            }
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err(Error::format(path, "there is no `.txt` file in the folder")),
        false => Ok(files),
    }
}

/// The table of one task.
fn task_key(index: usize) -> String {
    format!("tasks[{index}]")
}
