//! Which text tasks, as a setting.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
use treelora_core::Error;

use super::{
    benchmarks::{TextBenchmark, benchmark::TaskChoice, knows_task},
    task_source::TaskSource,
};
use crate::stream::{Subset, TaskOrder};

/// The `[data]` table of a text experiment.
///
/// ```
/// use treelora_cl_bench::text::{TextBenchmark, TextDatasetConfig, TrainSplit};
///
/// let config: TextDatasetConfig = toml::from_str(
///     "name = 'trace'\ntest_per_task = 50\ntrain_split = { MeetingBank = 'eval' }\n",
/// )?;
/// assert_eq!(config.name, TextBenchmark::Trace);
/// assert_eq!(config.train_split["MeetingBank"], TrainSplit::Eval);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextDatasetConfig {
    /// Which tasks, and how their files are laid out.
    pub name: TextBenchmark,
    /// Folder of the tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Folder of the classification tasks of `trace-long`, laid out as for `o-lora`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification_path: Option<PathBuf>,
    /// The tasks in order. When empty: those of the benchmark; of a `folder`, all by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<String>,
    /// Number of O-LoRA's task order, 1 to 6. Only for `o-lora`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<usize>,
    /// How often each task comes, each time with its next records: the k-th visit (from 0) has the k-th
    /// `train_per_task` training and the k-th `test_per_task` test records in the order of `subset`. Both limits are then
    /// needed. Validation records are the same at every visit.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub visits: usize,
    /// Order of the tasks in each round of visits; as they are listed when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_order: Option<TaskOrder>,
    /// Leave out tasks without a file to train on or to be scored by, and report them, instead of refusing the data. A
    /// task without validation examples is none of them: they are reported missing in either case.
    #[serde(default)]
    pub allow_missing: bool,
    /// Training examples of each task, at most; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_per_task: Option<usize>,
    /// Validation examples of each task, at most; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eval_per_task: Option<usize>,
    /// Test examples of each task, at most; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_per_task: Option<usize>,
    /// Which examples are taken when not all are.
    #[serde(default)]
    pub subset: Subset,
    /// What scores are taken on: the test split, or, to choose settings by, what is neither trained on nor tested.
    #[serde(default)]
    pub scored_on: ScoredSplit,
    /// The split that a task is trained on where it is not `train`, by task; tasks that the stream leaves out may be
    /// named too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub train_split: BTreeMap<String, TrainSplit>,
}

/// The split that a task is trained on. The test split is none of the choices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainSplit {
    /// `train`.
    #[default]
    Train,
    /// `eval`; the task then has no validation examples.
    Eval,
}

impl TrainSplit {
    /// As its file is called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Eval => "eval",
        }
    }
}

/// The records that answers are scored on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoredSplit {
    /// `test`, which settings are not chosen by.
    #[default]
    Test,
    /// `eval`, at most `eval_per_task` records of it; of a task without one, the training records that
    /// `train_per_task` leaves over. The test split is not read.
    Eval,
}

impl TextDatasetConfig {
    /// All of `name`'s tasks, of a folder, with all examples.
    pub fn of(name: TextBenchmark, path: impl Into<PathBuf>) -> Self {
        Self {
            name,
            path: Some(path.into()),
            classification_path: None,
            tasks: Vec::new(),
            order: None,
            visits: 1,
            task_order: None,
            allow_missing: false,
            train_per_task: None,
            eval_per_task: None,
            test_per_task: None,
            subset: Subset::default(),
            scored_on: ScoredSplit::default(),
            train_split: BTreeMap::new(),
        }
    }

    /// Check what can be checked without the data.
    ///
    /// # Errors
    /// Names the key.
    pub fn validate(&self) -> Result<(), Error> {
        for (key, limit) in [
            ("train_per_task", self.train_per_task),
            ("eval_per_task", self.eval_per_task),
            ("test_per_task", self.test_per_task),
        ] {
            if limit == Some(0) {
                return Err(Error::setting(key, "0 is not above 0"));
            }
        }
        if self.visits == 0 {
            return Err(Error::setting("visits", "0 is not above 0"));
        }
        for (key, limit) in [
            ("train_per_task", self.train_per_task),
            ("test_per_task", self.test_per_task),
        ] {
            if self.visits > 1 && limit.is_none() {
                let problem = format!(
                    "{} visits share out a task's records: how many each?",
                    self.visits
                );
                return Err(Error::setting(key, problem));
            }
        }
        self.name.benchmark().check(&self.choice())?;
        for (position, task) in self.tasks.iter().enumerate() {
            check_name(task)?;
            if self.tasks[..position].contains(task) {
                let problem = format!("`{task}` occurs twice");
                return Err(Error::setting("tasks", problem));
            }
        }
        Ok(())
    }

    /// Where the examples of each task are, in the order of the stream.
    pub(super) fn sources(&self) -> Result<Vec<TaskSource>, Error> {
        self.name.benchmark().sources(&self.choice())
    }

    /// Whether a benchmark has a task called `name`, or a folder of the data is called so: what settings of single
    /// tasks may speak of, be it in this stream or not.
    pub fn knows_task(&self, name: &str) -> bool {
        let a_folder = |path: &PathBuf| check_name(name).is_ok() && path.join(name).is_dir();
        self.tasks.iter().any(|task| task == name)
            || knows_task(name)
            || (self.name == TextBenchmark::Folder && self.path.as_ref().is_some_and(a_folder))
    }

    fn choice(&self) -> TaskChoice<'_> {
        TaskChoice {
            path: self.path.as_deref(),
            classification_path: self.classification_path.as_deref(),
            tasks: &self.tasks,
            order: self.order,
        }
    }
}

fn once() -> usize {
    1
}

fn is_once(visits: &usize) -> bool {
    *visits == 1
}

/// A task's name is a folder's: it must not lead elsewhere.
fn check_name(name: &str) -> Result<(), Error> {
    let plain =
        !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', ':', '\0']);
    match plain {
        true => Ok(()),
        false => Err(Error::setting(
            "tasks",
            format!("`{name}` is no name of a folder"),
        )),
    }
}
