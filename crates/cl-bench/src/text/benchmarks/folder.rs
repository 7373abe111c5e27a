//! Any tasks, a folder each.

use treelora_core::Error;

use super::benchmark::{Benchmark, TaskChoice};
use crate::text::task_source::{TaskSource, folder_names};

/// The folders of a folder, by name.
pub(super) struct Folder;

impl Benchmark for Folder {
    fn sources(&self, choice: &TaskChoice<'_>) -> Result<Vec<TaskSource>, Error> {
        let path = choice.folder()?;
        let names = match choice.tasks {
            [] => folder_names(path)?,
            tasks => tasks.to_vec(),
        };
        let names = names.into_iter();
        Ok(names.map(|name| TaskSource::any(path, name)).collect())
    }
}
