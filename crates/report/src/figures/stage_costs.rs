//! Time and memory of each stage.

use treelora_cl_bench::StageCost;

use crate::{
    DataTable, Figure, TaskNames,
    drawing::{Bar, Bars, LineChart, Series},
};

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// Seconds of training, of the method's work after it, and of evaluation, a bar for each stage.
pub fn stage_time(name: &str, costs: &[StageCost], tasks: &TaskNames) -> Figure {
    let mut data = DataTable::new([
        "stage",
        "name",
        "train_seconds",
        "end_task_seconds",
        "evaluation_seconds",
        "data_wait_seconds",
        "steps",
        "examples",
        "task_inference_accuracy",
    ]);
    for (stage, cost) in costs.iter().enumerate() {
        data.push(vec![
            (stage + 1).to_string(),
            stage_name(stage, costs, tasks),
            DataTable::number(cost.train_seconds),
            DataTable::number(cost.end_task_seconds),
            DataTable::number(cost.evaluation_seconds),
            DataTable::number(cost.data_wait_seconds),
            cost.steps.to_string(),
            cost.examples.to_string(),
            DataTable::number(cost.task_inference_accuracy),
        ]);
    }
    let bar = |(stage, cost): (usize, &StageCost)| Bar {
        name: stage_name(stage, costs, tasks),
        parts: vec![
            seconds(cost.train_seconds),
            seconds(cost.end_task_seconds),
            seconds(cost.evaluation_seconds),
        ],
    };
    let bars = Bars {
        unit: "seconds".into(),
        parts: ["training", "after the task", "evaluation"]
            .map(String::from)
            .to_vec(),
        bars: costs.iter().enumerate().map(bar).collect(),
    };
    let (width, height) = bars.size();
    Figure {
        name: name.to_owned(),
        title: "Time of each stage".into(),
        description: "Seconds of training steps, of the method's work after the last step, and of \
                      evaluation on all tasks so far."
            .into(),
        width,
        height,
        drawing: bars.draw(),
        data,
    }
}

/// What the method keeps and what the process took at most, over stages.
pub fn stage_memory(name: &str, costs: &[StageCost], tasks: &TaskNames) -> Figure {
    let mut data = DataTable::new(["stage", "name", "stored_bytes", "peak_memory_bytes"]);
    for (stage, cost) in costs.iter().enumerate() {
        let peak = cost.peak_memory_bytes;
        data.push(vec![
            (stage + 1).to_string(),
            stage_name(stage, costs, tasks),
            cost.stored_bytes.to_string(),
            peak.map_or_else(String::new, |bytes| bytes.to_string()),
        ]);
    }
    let stored = costs
        .iter()
        .map(|cost| Some(cost.stored_bytes as f64 / MEBIBYTE));
    let peak = costs
        .iter()
        .map(|cost| cost.peak_memory_bytes.map(|bytes| bytes as f64 / MEBIBYTE));
    let stored = Series::over_tasks("kept by the method", &stored.collect::<Vec<_>>());
    let peak = Series::over_tasks("peak of the process", &peak.collect::<Vec<_>>());
    let series = vec![stored, peak];
    let positive = series
        .iter()
        .flat_map(|s| &s.points)
        .all(|point| point.y > 0.0);
    let mut chart = LineChart::over_tasks("MiB", costs.len(), series);
    if positive {
        chart.spacing = crate::drawing::Spacing::Logarithmic;
    }
    let (width, height) = chart.size();
    Figure {
        name: name.to_owned(),
        title: "Memory after each stage".into(),
        description: "What the method keeps from task to task (adapters, signatures, statistics, \
                      examples), and the largest resident memory of the process so far, in MiB."
            .into(),
        width,
        height,
        drawing: chart.draw(),
        data,
    }
}

/// A bar has no negative length, whatever a file says.
fn seconds(value: f64) -> f64 {
    match value.is_finite() {
        true => value.max(0.0),
        false => 0.0,
    }
}

/// The task of a stage; joint training has a single stage for all of them.
fn stage_name(stage: usize, costs: &[StageCost], tasks: &TaskNames) -> String {
    match costs.len() == 1 && tasks.len() > 1 {
        true => "first or joint stage".to_owned(),
        false => tasks.numbered(stage),
    }
}
