//! What a run leaves for readers: `metrics.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use treelora_cl_bench::metrics::{AccuracyMatrix, MetricValue};
use treelora_core::Task;

use crate::{
    event::{RunResult, StageCost},
    folder::base_loss_change::BaseLossChange,
};

/// Metrics of each floor by its name.
pub type Floors = BTreeMap<String, BTreeMap<String, MetricValue>>;

/// One run in numbers: every convention by name, the floors beside it, and what it cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunSummary {
    /// Experiment and method, without the seed: runs of equal label differ in the seed alone.
    pub label: String,
    /// Name of the method.
    pub method: String,
    /// Seed of the run.
    pub seed: u64,
    /// Names of the tasks in order.
    pub tasks: Vec<String>,
    /// Scores, rows = time.
    pub matrix: AccuracyMatrix,
    /// Every metric of the field by its own name (see `docs/metrics.md`).
    pub metrics: BTreeMap<String, MetricValue>,
    /// The metrics under other scoring rules, by the name of the rule.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other_rules: BTreeMap<String, BTreeMap<String, MetricValue>>,
    /// Metrics of the frozen backbone with each simple classifier.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub floors: Floors,
    /// What the stream has done to the base beside its tasks; of text alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_loss_change: Option<BaseLossChange>,
    /// Cost of the whole run.
    pub cost: RunCost,
}

impl RunSummary {
    /// The numbers of a finished run.
    pub fn new(identity: RunIdentity, result: RunResult, floors: Floors) -> Self {
        let RunIdentity {
            label,
            method,
            seed,
            tasks,
        } = identity;
        let rules = result.other_rules.iter();
        Self {
            label,
            method,
            seed,
            tasks,
            metrics: result.matrix.metrics(),
            other_rules: rules
                .map(|(rule, matrix)| (rule.clone(), matrix.metrics()))
                .collect(),
            floors,
            base_loss_change: None,
            cost: RunCost::of(&result),
            matrix: result.matrix,
        }
    }
}

/// What a run is called.
#[derive(Clone, Debug)]
pub struct RunIdentity {
    /// Experiment and method, without the seed.
    pub label: String,
    /// Name of the method.
    pub method: String,
    /// Seed of the run.
    pub seed: u64,
    /// Names of the tasks in order.
    pub tasks: Vec<String>,
}

/// Names of tasks, in order.
pub(crate) fn task_names(tasks: &[Task]) -> Vec<String> {
    tasks.iter().map(|task| task.name.clone()).collect()
}

/// Time, memory and storage of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunCost {
    /// Seconds of training steps over all stages.
    pub train_seconds: f64,
    /// Seconds of work after the last step of each stage (statistics, heads, trees).
    pub end_task_seconds: f64,
    /// Seconds of evaluation.
    pub evaluation_seconds: f64,
    /// Training examples per second of training.
    pub examples_per_second: f64,
    /// Share of training time spent waiting for data.
    pub data_wait_share: f64,
    /// Parameters that receive gradients.
    pub trainable_parameters: usize,
    /// Bytes that the method keeps after the last task.
    pub stored_bytes: usize,
    /// Largest resident memory of the process in bytes, where the system tells.
    pub peak_memory_bytes: Option<u64>,
}

impl RunCost {
    /// Sum over the stages of a run.
    pub fn of(result: &RunResult) -> Self {
        let sum = |f: fn(&StageCost) -> f64| result.costs.iter().map(f).sum::<f64>() + 0.0;
        let train_seconds = sum(|cost| cost.train_seconds);
        let examples = sum(|cost| cost.examples as f64);
        let share = |part: f64| match train_seconds > 0.0 {
            true => part / train_seconds,
            false => 0.0,
        };
        Self {
            train_seconds,
            end_task_seconds: sum(|cost| cost.end_task_seconds),
            evaluation_seconds: sum(|cost| cost.evaluation_seconds),
            examples_per_second: share(examples),
            data_wait_share: share(sum(|cost| cost.data_wait_seconds)),
            trainable_parameters: result.trainable_parameters,
            stored_bytes: result.costs.last().map_or(0, |cost| cost.stored_bytes),
            peak_memory_bytes: result
                .costs
                .iter()
                .filter_map(|c| c.peak_memory_bytes)
                .max(),
        }
    }
}
