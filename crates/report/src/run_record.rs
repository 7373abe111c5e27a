//! What the report reads of a run folder, finished or not.

use std::{collections::BTreeMap, fs, path::Path};

use treelora::TaskRelatives;
use treelora_cl_bench::metrics::{AccuracyMatrix, MetricValue};
use treelora_core::{Error, TaskId, read_text};
use treelora_experiment::{BaseLossChange, Floors, Manifest, RunFolder, RunResult, StageCost};

use crate::{StepLog, TaskNames};

/// One run in memory.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// Name of the folder.
    pub name: String,
    /// Experiment and method: runs of equal label differ in the seed alone.
    pub label: String,
    /// Name of the method.
    pub method: String,
    /// Where the run comes from.
    pub manifest: Manifest,
    /// The experiment's TOML.
    pub config: String,
    /// Names of the tasks.
    pub tasks: TaskNames,
    /// Whether the run came to its end.
    pub finished: bool,
    /// Scores so far.
    pub matrix: AccuracyMatrix,
    /// Scores of the same answers under other rules.
    pub other_rules: BTreeMap<String, AccuracyMatrix>,
    /// Every metric of the scores so far.
    pub metrics: BTreeMap<String, MetricValue>,
    /// Metrics of the frozen backbone; of finished runs only.
    pub floors: Floors,
    /// What the stream did to the base beside its tasks; of finished runs on text.
    pub base_loss_change: Option<BaseLossChange>,
    /// One entry a stage.
    pub costs: Vec<StageCost>,
    /// The training steps.
    pub log: StepLog,
    /// Trees and choices after each task, where the method has them.
    pub relatives: Vec<TaskRelatives>,
}

impl RunRecord {
    /// Read a run folder; an unfinished run is read as far as it came.
    ///
    /// # Errors
    /// When it is no run folder, or a file of it is damaged; the message names the file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let folder = RunFolder::open(path)?;
        let manifest = folder.manifest()?;
        let config_path = folder.config_path();
        let config = read_text(&config_path)?;
        let summary = folder.summary()?;
        let result = folder.result()?;
        let costs = result.as_ref().map_or_else(Vec::new, |r| r.costs.clone());
        let finished = summary.is_some();
        let base_loss_change = summary.as_ref().and_then(|s| s.base_loss_change);
        let (label, method, matrix, floors) = match summary {
            Some(summary) => (
                summary.label,
                summary.method,
                summary.matrix,
                summary.floors,
            ),
            None => {
                let config = folder.config(&[])?;
                let matrix = match path.join("matrix.json").exists() {
                    true => folder.read_json("matrix.json")?,
                    false => AccuracyMatrix::new(),
                };
                (config.label(), config.method_label(), matrix, Floors::new())
            }
        };
        if matrix.tasks() > manifest.tasks.len() {
            let problem = format!(
                "scores after {} tasks, manifest.json names {}",
                matrix.tasks(),
                manifest.tasks.len()
            );
            return Err(Error::format(path.join("matrix.json"), problem));
        }
        Ok(Self {
            name: folder_name(path),
            label,
            method,
            tasks: TaskNames::new(manifest.tasks.iter().cloned()),
            config,
            finished,
            metrics: matrix.metrics(),
            matrix,
            other_rules: result.map(other_rules).unwrap_or_default(),
            floors,
            base_loss_change,
            costs,
            log: StepLog::read(&path.join("log.jsonl"))?,
            relatives: relatives(&folder, manifest.tasks.len())?,
            manifest,
        })
    }

    /// Name of the experiment: the label without the method.
    pub fn experiment(&self) -> &str {
        let method = format!("-{}", self.method);
        self.label.strip_suffix(&method).unwrap_or(&self.label)
    }
}

fn other_rules(result: RunResult) -> BTreeMap<String, AccuracyMatrix> {
    result.other_rules
}

/// The last part of the path, also where it ends in `..` or is `.`.
fn folder_name(path: &Path) -> String {
    let whole = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = whole.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// The diagnostics of every task that has them, checked.
fn relatives(folder: &RunFolder, tasks: usize) -> Result<Vec<TaskRelatives>, Error> {
    let mut all = Vec::new();
    for task in 0..tasks {
        let read = folder.diagnostics::<TaskRelatives>(TaskId(task), TaskRelatives::NAME)?;
        let Some(relatives) = read else { continue };
        if let Some(problem) = problem_of(&relatives, tasks) {
            let file = format!("tasks/{task:02}/{}.json", TaskRelatives::NAME);
            return Err(Error::format(folder.path().join(file), problem));
        }
        all.push(relatives);
    }
    Ok(all)
}

/// What in the file disagrees with itself or with the run.
fn problem_of(relatives: &TaskRelatives, tasks: usize) -> Option<String> {
    let (layers, arms) = (relatives.layers.len(), relatives.arms.len());
    let named = relatives.arms.iter().chain(&relatives.slots).flatten();
    if let Some(task) = named.chain([&relatives.task]).find(|task| task.0 >= tasks) {
        return Some(format!("task {task} of {tasks}"));
    }
    if relatives.slots.len() != relatives.tree.num_tasks() {
        let (slots, leaves) = (relatives.slots.len(), relatives.tree.num_tasks());
        return Some(format!("{slots} `slots`, {leaves} tasks in `tree`"));
    }
    let rows = relatives.statistics.len();
    if rows != 0 && rows != layers {
        return Some(format!("{rows} rows of `statistics`, {layers} layers"));
    }
    if let Some(row) = relatives.statistics.iter().find(|row| row.len() != arms) {
        return Some(format!("{} arms in `statistics`, {arms} `arms`", row.len()));
    }
    for window in &relatives.windows {
        if window.layers.len() != layers {
            let found = window.layers.len();
            return Some(format!("{found} layers in a window, {layers} layers"));
        }
        if let Some(choice) = window.layers.iter().find(|choice| choice.arm >= arms) {
            return Some(format!("arm {} in a window, {arms} arms", choice.arm));
        }
    }
    None
}
