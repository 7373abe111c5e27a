//! Time and memory of each stage.

use treelora_experiment::StageCost;

use crate::{
    DataTable, Figure, TaskNames,
    drawing::{Bar, Bars, LineChart, Series},
};

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// Stages up to which each has a bar of its own.
const BARS: usize = 40;

/// Legend and value in seconds.
type Part = (&'static str, fn(&StageCost) -> f64);

/// Seconds of training, of the method's work after it, and of evaluation, a bar for each stage; of many stages, curves.
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
    let parts: [Part; 3] = [
        ("training", |cost| seconds(cost.train_seconds)),
        ("after the task", |cost| seconds(cost.end_task_seconds)),
        ("evaluation", |cost| seconds(cost.evaluation_seconds)),
    ];
    let (drawing, (width, height)) = if costs.len() <= BARS {
        let bar = |(stage, cost): (usize, &StageCost)| Bar {
            name: stage_name(stage, costs, tasks),
            parts: parts.iter().map(|(_, of)| of(cost)).collect(),
        };
        let bars = Bars {
            unit: "seconds".into(),
            parts: parts.map(|(part, _)| part.to_owned()).to_vec(),
            bars: costs.iter().enumerate().map(bar).collect(),
        };
        (bars.draw(), bars.size())
    } else {
        let lines = parts.map(|(part, of)| {
            let values: Vec<_> = costs.iter().map(|cost| Some(of(cost))).collect();
            Series::over_tasks(part, &values)
        });
        let chart = LineChart::over_tasks("seconds", costs.len(), lines.to_vec());
        (chart.draw(), chart.size())
    };
    Figure {
        name: name.to_owned(),
        title: "Time of each stage".into(),
        description: "Seconds of training steps, of the method's work after the last step, and of \
                      evaluation on all tasks so far."
            .into(),
        width,
        height,
        drawing,
        data,
    }
}

/// Column, legend and value in bytes.
type Line = (&'static str, &'static str, fn(&StageCost) -> Option<u64>);

/// What the method keeps, the checkpoint, and the memory of the process, over stages.
pub fn stage_memory(name: &str, costs: &[StageCost], tasks: &TaskNames) -> Figure {
    let stored = |cost: &StageCost| Some(cost.stored_bytes as u64);
    let lines: [Line; 4] = [
        ("stored_bytes", "kept by the method", stored),
        ("checkpoint_bytes", "checkpoint", |cost| {
            cost.checkpoint_bytes
        }),
        ("resident_memory_bytes", "process", |cost| {
            cost.resident_memory_bytes
        }),
        ("peak_memory_bytes", "peak of the process", |cost| {
            cost.peak_memory_bytes
        }),
    ];
    let columns = lines.iter().map(|(column, ..)| *column);
    let mut data = DataTable::new(["stage", "name"].into_iter().chain(columns));
    for (stage, cost) in costs.iter().enumerate() {
        let place = [(stage + 1).to_string(), stage_name(stage, costs, tasks)];
        let bytes = lines.iter().map(|(.., of)| of(cost));
        let bytes = bytes.map(|bytes| bytes.map_or_else(String::new, |bytes| bytes.to_string()));
        data.push(place.into_iter().chain(bytes).collect());
    }
    // Runs of before a column have none of its values.
    let series: Vec<Series> = lines
        .iter()
        .filter(|(.., of)| costs.iter().any(|cost| of(cost).is_some()))
        .map(|(_, legend, of)| {
            let values = costs.iter().map(|cost| Some(of(cost)? as f64 / MEBIBYTE));
            Series::over_tasks(*legend, &values.collect::<Vec<_>>())
        })
        .collect();
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
                      examples), the checkpoint that holds it, the resident memory of the process \
                      after the stage, and the largest so far, in MiB."
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
