//! Accuracy and forgetting while the stream goes on.

use treelora_cl_bench::metrics::{AccuracyMatrix, Convention};

use crate::{
    DataTable, Figure,
    drawing::{LineChart, Series},
};

/// A convention after every task: its value if the stream had ended there.
pub fn over_time(matrix: &AccuracyMatrix, convention: Convention) -> Vec<Option<f64>> {
    (1..=matrix.tasks())
        .map(|tasks| {
            let row = |after| (0..tasks).map(|on| matrix.score(after, on)).collect();
            let so_far = AccuracyMatrix::from_scores((0..tasks).map(row).collect());
            // Where the last row is empty, the stream would have ended earlier.
            match so_far.tasks() == tasks {
                true => convention.value(&so_far),
                false => None,
            }
        })
        .collect()
}

/// Mean accuracy over the tasks so far, after each task.
pub fn accuracy_over_time(name: &str, matrix: &AccuracyMatrix) -> Figure {
    figure(
        name,
        "Accuracy over time",
        "mean accuracy over the tasks so far, percent",
        matrix,
        &[Convention::AccLast, Convention::LearningAcc],
    )
}

/// What was forgotten of the tasks so far, after each task, in two conventions.
pub fn forgetting_over_time(name: &str, matrix: &AccuracyMatrix) -> Figure {
    figure(
        name,
        "Forgetting over time",
        "forgotten of the tasks so far, percent",
        matrix,
        &[
            Convention::ForgettingMaxExclLast,
            Convention::BwtTreeloraPaper,
        ],
    )
}

fn figure(
    name: &str,
    title: &str,
    y_label: &str,
    matrix: &AccuracyMatrix,
    conventions: &[Convention],
) -> Figure {
    let curves: Vec<Vec<Option<f64>>> = conventions
        .iter()
        .map(|convention| over_time(matrix, *convention))
        .collect();
    let names = conventions.iter().map(|convention| convention.name());
    let mut data = DataTable::new(std::iter::once("after_task").chain(names.clone()));
    for after in 0..matrix.tasks() {
        let values = curves.iter().map(|curve| DataTable::number(curve[after]));
        let number = (after + 1).to_string();
        data.push(std::iter::once(number).chain(values).collect());
    }
    let series = names.zip(&curves).map(|(name, curve)| {
        let percent: Vec<_> = curve.iter().map(|v| v.map(|v| 100.0 * v)).collect();
        Series::over_tasks(name, &percent)
    });
    let chart = LineChart::over_tasks(y_label, matrix.tasks(), series.collect());
    let formulas: Vec<String> = conventions
        .iter()
        .map(|convention| format!("{} = {}", convention.name(), convention.formula()))
        .collect();
    let (width, height) = chart.size();
    Figure {
        name: name.to_owned(),
        title: title.to_owned(),
        description: format!(
            "After each task T, as if the stream had ended there. {}.",
            formulas.join("; ")
        ),
        width,
        height,
        drawing: chart.draw(),
        data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_is_the_metric_of_the_run() {
        let matrix = AccuracyMatrix::from_scores(vec![
            vec![Some(0.9)],
            vec![Some(0.7), Some(0.8)],
            vec![Some(0.75), Some(0.5), Some(1.0)],
        ]);
        for convention in [Convention::AccLast, Convention::ForgettingMaxExclLast] {
            let curve = over_time(&matrix, convention);
            assert_eq!(curve.len(), 3);
            assert_eq!(curve[2], convention.value(&matrix));
        }
        assert_eq!(
            over_time(&matrix, Convention::ForgettingMaxExclLast)[0],
            None
        );
    }

    #[test]
    fn joint_training_has_one_point() {
        let matrix = AccuracyMatrix::from_scores(vec![vec![], vec![Some(0.5), Some(0.7)]]);
        let curve = over_time(&matrix, Convention::AccLast);
        assert_eq!(curve[0], None);
        assert!(curve[1].is_some_and(|mean| (mean - 0.6).abs() < 1e-12));
        let svg = accuracy_over_time("a", &matrix).to_svg();
        assert!(!svg.contains("NaN"), "{svg}");
    }
}
