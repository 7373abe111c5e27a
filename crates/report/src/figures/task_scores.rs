//! What became of each task.

use treelora_cl_bench::metrics::AccuracyMatrix;

use crate::{
    DataTable, Figure, TaskNames,
    drawing::{LineChart, Series, shortened},
};

/// One curve a task: its score after it was learned and after every later task.
pub fn task_scores(name: &str, matrix: &AccuracyMatrix, tasks: &TaskNames) -> Figure {
    let trained = matrix.tasks();
    let mut data = DataTable::new(["task", "name", "after_task", "score", "correct", "total"]);
    let mut series = Vec::new();
    for on in 0..trained {
        let scores: Vec<_> = (0..trained).map(|after| matrix.score(after, on)).collect();
        for (after, score) in scores.iter().enumerate() {
            let Some(score) = *score else { continue };
            let counts = matrix.counts(after, on);
            let count = |count: Option<usize>| count.map_or_else(String::new, |c| c.to_string());
            data.push(vec![
                (on + 1).to_string(),
                tasks.name(on),
                (after + 1).to_string(),
                DataTable::number(score),
                count(counts.map(|cell| cell.correct)),
                count(counts.map(|cell| cell.total)),
            ]);
        }
        let percent: Vec<_> = scores.iter().map(|v| v.map(|v| 100.0 * v)).collect();
        let label = shortened(&tasks.numbered(on), 20);
        series.push(Series::over_tasks(label, &percent));
    }
    let chart = LineChart::over_tasks("score of each task, percent", trained, series);
    let (width, height) = chart.size();
    Figure {
        name: name.to_owned(),
        title: "Score of each task over time".into(),
        description:
            "R[i][j] over i, one curve for each task j: a falling curve is a task that is \
                      being forgotten."
                .into(),
        width,
        height,
        drawing: chart.draw(),
        data,
    }
}
