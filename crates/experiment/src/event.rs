//! What a run reports while it works, and what it leaves behind.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use treelora_cl_bench::metrics::{AccuracyMatrix, TaskScore};
use treelora_core::{StepInfo, Task, TaskId};

/// What happens during a run, for progress bars and logs.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Something is not as it should be, and the run goes on.
    Warning {
        /// What, and what was done about it.
        message: String,
    },
    /// Images whose frozen prefix was computed.
    Prefix {
        /// How many since the last event.
        images: usize,
    },
    /// A stage begins or goes on.
    Stage {
        /// The task, or the joint stage.
        task: Task,
        /// Training steps of the stage.
        steps: usize,
        /// How many of them an earlier process has taken.
        done: usize,
        /// Parameters that receive gradients.
        trainable_parameters: usize,
    },
    /// One optimiser step is done.
    Step {
        /// Where the step stands.
        #[serde(flatten)]
        step: StepInfo,
        /// Training examples that it saw.
        examples: usize,
        /// Value of the objective.
        loss: f64,
        /// Learning rate of the adapters.
        learning_rate: f64,
        /// Further numbers of the method.
        terms: Vec<(String, f64)>,
    },
    /// The method's work after the last step of a task begins.
    EndTask {
        /// The task.
        task: TaskId,
    },
    /// One task was evaluated.
    Evaluated {
        /// After training on this task.
        after: TaskId,
        /// Scores on this one.
        on: TaskId,
        /// The result.
        score: TaskScore,
    },
    /// A stage ended; the row of the matrix is complete.
    Row {
        /// After training on this task.
        after: TaskId,
        /// What the stage cost.
        cost: StageCost,
    },
}

/// Time and memory of one stage.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StageCost {
    /// Seconds of training steps.
    pub train_seconds: f64,
    /// Seconds of the method's work after the last step.
    pub end_task_seconds: f64,
    /// Seconds of evaluation on all tasks so far.
    pub evaluation_seconds: f64,
    /// Training steps.
    pub steps: usize,
    /// Training examples consumed.
    pub examples: usize,
    /// Seconds that training waited for data.
    pub data_wait_seconds: f64,
    /// Bytes that the method keeps after the stage.
    pub stored_bytes: usize,
    /// Resident memory of the process after the stage, in bytes, where the system tells.
    #[serde(default)]
    pub resident_memory_bytes: Option<u64>,
    /// Largest resident memory of the process so far, in bytes, where the system tells.
    pub peak_memory_bytes: Option<u64>,
    /// Bytes of adapters, head and the method's memory in the checkpoint after the stage, if one is written.
    #[serde(default)]
    pub checkpoint_bytes: Option<u64>,
    /// Share of test examples whose task was inferred rightly, if the method infers tasks.
    pub task_inference_accuracy: Option<f64>,
}

/// What a run produced.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunResult {
    /// Scores, rows = time.
    pub matrix: AccuracyMatrix,
    /// Scores of the same answers under other rules, by the name of the rule.
    #[serde(default)]
    pub other_rules: BTreeMap<String, AccuracyMatrix>,
    /// One entry a stage.
    pub costs: Vec<StageCost>,
    /// Parameters that received gradients in the last stage.
    pub trainable_parameters: usize,
}

impl RunResult {
    /// Note a score on task `on` after training on task `after`.
    pub fn record(&mut self, after: TaskId, on: TaskId, score: &TaskScore) {
        match (score.counts, score.value) {
            (Some(counts), _) => self.matrix.record(after.0, on.0, counts),
            (None, Some(value)) => self.matrix.record_score(after.0, on.0, value),
            (None, None) => {}
        }
        for (rule, value) in &score.other_rules {
            let matrix = self.other_rules.entry(rule.clone()).or_default();
            matrix.record_score(after.0, on.0, *value);
        }
    }
}
