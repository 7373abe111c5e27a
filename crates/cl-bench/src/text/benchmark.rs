//! Which tasks a benchmark has, and where their files are.

use std::path::Path;

use treelora_core::Error;

use super::{
    dataset_config::{TextBenchmark, TextDatasetConfig},
    o_lora,
    task_source::{TaskSource, folder_names},
};

/// TRACE's tasks in its order (arXiv 2310.06762), which TreeLoRA keeps.
const TRACE: [&str; 8] = [
    "C-STANCE",
    "FOMC",
    "MeetingBank",
    "Py150",
    "ScienceQA",
    "NumGLUE-cm",
    "NumGLUE-ds",
    "20Minuten",
];
/// What the long stream has after TRACE.
const LONG: [&str; 7] = [
    "dbpedia", "amazon", "yahoo", "agnews", "yelp", "BoolQA", "QQP",
];
const MATH: [&str; 3] = ["ScienceQA", "NumGLUE-cm", "NumGLUE-ds"];

impl TextDatasetConfig {
    /// Where the examples of each task are, in the order of the stream.
    pub(super) fn sources(&self) -> Result<Vec<TaskSource>, Error> {
        let path = given("path", self.path.as_deref())?;
        let names: Vec<String> = match (self.name, self.order) {
            _ if !self.tasks.is_empty() => self.tasks.clone(),
            (TextBenchmark::Trace, _) => owned(&TRACE),
            (TextBenchmark::TraceLong, _) => owned(&[&TRACE[..], &LONG].concat()),
            (TextBenchmark::Math, _) => owned(&MATH),
            (TextBenchmark::OLora, order) => owned(o_lora::order(order.unwrap_or_default())?),
            (TextBenchmark::Folder, _) => folder_names(path)?,
        };
        let names = names.into_iter();
        let prompts = |name: String| TaskSource::prompts(path, name);
        let sources: Result<_, Error> = match self.name {
            TextBenchmark::Folder => names.map(|name| Ok(TaskSource::any(path, name))).collect(),
            TextBenchmark::Trace | TextBenchmark::Math => {
                let allowed: &[&str] = match self.name {
                    TextBenchmark::Math => &MATH,
                    _ => &TRACE,
                };
                names
                    .map(|name| Ok(prompts(known(name, allowed)?)))
                    .collect()
            }
            TextBenchmark::OLora => names.map(|name| TaskSource::labelled(path, name)).collect(),
            TextBenchmark::TraceLong => names
                .map(|name| match TRACE.contains(&name.as_str()) {
                    true => Ok(prompts(name)),
                    false => {
                        let folder = self.classification_path.as_deref();
                        TaskSource::labelled(given("classification_path", folder)?, name)
                    }
                })
                .collect(),
        };
        sources
    }
}

fn given<'a>(key: &str, path: Option<&'a Path>) -> Result<&'a Path, Error> {
    path.ok_or_else(|| Error::setting(key, "no folder with the data is given"))
}

fn known(name: String, allowed: &[&str]) -> Result<String, Error> {
    match allowed.contains(&name.as_str()) {
        true => Ok(name),
        false => Err(Error::setting(
            "tasks",
            format!("`{name}`, but the tasks are: {}", allowed.join(", ")),
        )),
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
