//! TRACE, and what is made of its tasks.

use treelora_core::Error;

use super::benchmark::{Benchmark, TaskChoice};
use crate::text::task_source::TaskSource;

/// TRACE's tasks in its order (arXiv 2310.06762), which TreeLoRA keeps.
pub(super) const TRACE: [&str; 8] = [
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

/// Its eight tasks.
pub(super) struct Trace;

/// Those, and seven classification tasks in a folder of their own, laid out as for O-LoRA.
pub(super) struct TraceLong;

/// Those that calculate.
pub(super) struct Math;

impl Benchmark for Trace {
    fn sources(&self, choice: &TaskChoice<'_>) -> Result<Vec<TaskSource>, Error> {
        of(&TRACE, choice)
    }
}

impl Benchmark for Math {
    fn sources(&self, choice: &TaskChoice<'_>) -> Result<Vec<TaskSource>, Error> {
        of(&MATH, choice)
    }
}

impl Benchmark for TraceLong {
    fn check(&self, choice: &TaskChoice<'_>) -> Result<(), Error> {
        choice.without_order()
    }

    fn sources(&self, choice: &TaskChoice<'_>) -> Result<Vec<TaskSource>, Error> {
        let path = choice.folder()?;
        let names = choice.or(&[&TRACE[..], &LONG].concat()).into_iter();
        names
            .map(|name| match TRACE.contains(&name.as_str()) {
                true => Ok(TaskSource::prompts(path, name)),
                false => TaskSource::labelled(choice.classification_folder()?, name),
            })
            .collect()
    }
}

fn of(tasks: &[&str], choice: &TaskChoice<'_>) -> Result<Vec<TaskSource>, Error> {
    let path = choice.folder()?;
    let names = choice.or(tasks).into_iter();
    names
        .map(|name| match tasks.contains(&name.as_str()) {
            true => Ok(TaskSource::prompts(path, name)),
            false => Err(Error::setting(
                "tasks",
                format!("`{name}`, but the tasks are: {}", tasks.join(", ")),
            )),
        })
        .collect()
}
