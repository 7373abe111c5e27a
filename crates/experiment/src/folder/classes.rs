//! What the labels of a run's answers mean: `classes.json`.

use treelora_cl_bench::stream::StreamOutline;
use treelora_core::Error;

use crate::folder::{checkpoint::RunFolder, summary::task_names};

const CLASSES: &str = "classes.json";

impl RunFolder {
    /// Keep what the labels of a run's answers mean.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write_outline(&self, outline: &StreamOutline) -> Result<(), Error> {
        self.write_json(CLASSES, outline)
    }

    /// What the labels of the run's answers mean; `None` of a run on text, and of one that an earlier version made.
    ///
    /// # Errors
    /// When the file is damaged, or does not have the tasks of the run.
    pub fn outline(&self) -> Result<Option<StreamOutline>, Error> {
        let path = self.path().join(CLASSES);
        if !path.exists() {
            return Ok(None);
        }
        let outline: StreamOutline = self.read_json(CLASSES)?;
        let (tasks, labels) = (self.manifest()?.tasks, outline.label_names.len());
        if task_names(&outline.tasks) != tasks {
            let problem = format!(
                "tasks {}, of the run {}",
                task_names(&outline.tasks).join(", "),
                tasks.join(", ")
            );
            return Err(Error::format(path, problem));
        }
        let mut classes = outline.tasks.iter().flat_map(|task| &task.classes);
        match classes.find(|class| **class >= labels) {
            Some(class) => {
                let problem = format!("a task has the label {class}, there are {labels} names");
                Err(Error::format(path, problem))
            }
            None => Ok(Some(outline)),
        }
    }
}
