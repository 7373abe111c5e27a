//! What a benchmark of text tasks offers to be named in a file.

use std::path::Path;

use treelora_core::Error;

use crate::text::task_source::TaskSource;

/// What the settings say of which tasks there are.
#[derive(Clone, Copy, Debug)]
pub(in crate::text) struct TaskChoice<'a> {
    /// Folder of the tasks.
    pub(in crate::text) path: Option<&'a Path>,
    /// Folder of the classification tasks.
    pub(in crate::text) classification_path: Option<&'a Path>,
    /// The tasks in order; empty for those of the benchmark.
    pub(in crate::text) tasks: &'a [String],
    /// Number of a task order.
    pub(in crate::text) order: Option<usize>,
}

/// Tasks that belong together, and the layout of their files.
pub(in crate::text) trait Benchmark {
    /// Check what can be checked without the data; the plain benchmark has one folder and no numbered orders.
    ///
    /// # Errors
    /// Names the key.
    fn check(&self, choice: &TaskChoice<'_>) -> Result<(), Error> {
        choice.in_one_folder()?;
        choice.without_order()
    }

    /// Where the examples of each task are, in the order of the stream.
    ///
    /// # Errors
    /// When a folder is not given or a task not known.
    fn sources(&self, choice: &TaskChoice<'_>) -> Result<Vec<TaskSource>, Error>;
}

impl<'a> TaskChoice<'a> {
    /// Folder of the tasks.
    ///
    /// # Errors
    /// When nobody has said.
    pub(super) fn folder(&self) -> Result<&'a Path, Error> {
        given("path", self.path)
    }

    /// Folder of the classification tasks.
    ///
    /// # Errors
    /// When nobody has said.
    pub(super) fn classification_folder(&self) -> Result<&'a Path, Error> {
        given("classification_path", self.classification_path)
    }

    /// The tasks that are asked for, or those of the benchmark.
    pub(super) fn or(&self, benchmark: &[&str]) -> Vec<String> {
        match self.tasks {
            [] => benchmark.iter().map(|name| (*name).to_owned()).collect(),
            tasks => tasks.to_vec(),
        }
    }

    /// # Errors
    /// When there is a second folder.
    pub(super) fn in_one_folder(&self) -> Result<(), Error> {
        match self.classification_path {
            None => Ok(()),
            Some(_) => {
                let problem = "only `trace-long` has tasks in two folders";
                Err(Error::setting("classification_path", problem))
            }
        }
    }

    /// # Errors
    /// When there is a numbered order.
    pub(super) fn without_order(&self) -> Result<(), Error> {
        match self.order {
            None => Ok(()),
            Some(_) => {
                let problem = "only `o-lora` has numbered orders";
                Err(Error::setting("order", problem))
            }
        }
    }
}

fn given<'a>(key: &str, path: Option<&'a Path>) -> Result<&'a Path, Error> {
    path.ok_or_else(|| Error::setting(key, "no folder with the data is given"))
}
