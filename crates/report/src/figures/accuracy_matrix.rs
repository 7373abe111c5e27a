//! The accuracy matrix as a heat map with numbers.

use treelora_cl_bench::metrics::{AccuracyMatrix, Convention};

use crate::{
    DataTable, Figure, TaskNames,
    drawing::{Cell, Grid, percent},
    figures::over_time,
};

/// Tasks up to which there is room for the numbers of all cells.
const LEGIBLE: usize = 40;

/// Scores on each task (column) after each task (row), in percent, and their mean; shaded from the
/// smallest score to the largest. The last row is the model before the stream, where it was scored.
pub fn accuracy_matrix(name: &str, matrix: &AccuracyMatrix, tasks: &TaskNames) -> Figure {
    let trained = matrix.tasks();
    let columns = trained.max(tasks.len());
    let mut rows: Vec<(String, String, Vec<Option<f64>>)> = (0..trained)
        .map(|after| {
            let scores = (0..columns).map(|on| matrix.score(after, on)).collect();
            (tasks.numbered(after), (after + 1).to_string(), scores)
        })
        .collect();
    let baseline: Vec<_> = (0..columns).map(|on| matrix.baseline(on)).collect();
    let means = over_time(matrix, Convention::AccLast);
    if baseline.iter().any(Option::is_some) {
        rows.push(("before the stream".into(), "0".into(), baseline));
    }

    let scores = rows
        .iter()
        .flat_map(|(.., row)| row.iter().flatten().copied());
    let low = scores.clone().fold(f64::INFINITY, f64::min);
    let high = scores.fold(f64::NEG_INFINITY, f64::max);
    let strength = |score: f64| match high > low {
        true => (score - low) / (high - low),
        false => 0.5,
    };
    let column_names = (1..=columns).map(|task| format!("task_{task}"));
    let names = std::iter::once("after_task".to_owned()).chain(column_names);
    let mut data = DataTable::new(names.chain(["mean".to_owned()]));
    let mut cells = Vec::new();
    for (index, (row_name, number, row)) in rows.iter().enumerate() {
        let mean = means.get(index).copied().flatten();
        let values = row.iter().copied().chain([mean]);
        let numbers = values.map(DataTable::number);
        data.push(std::iter::once(number.clone()).chain(numbers).collect());
        let cell = |(on, score): (usize, &Option<f64>)| {
            score.map(|score| Cell {
                class: "heat".into(),
                strength: strength(score),
                lines: vec![percent(score)],
                words: format!(
                    "after {row_name}, on {}: {}",
                    tasks.numbered(on),
                    percent(score)
                ),
            })
        };
        let mean = mean.map(|mean| Cell {
            class: "heat".into(),
            strength: 0.0,
            lines: vec![percent(mean)],
            words: format!("after {row_name}, mean: {}", percent(mean)),
        });
        cells.push(row.iter().enumerate().map(cell).chain([mean]).collect());
    }
    let numbers = (1..=columns).map(|task| task.to_string());
    let grid = Grid {
        row_title: "after training on".into(),
        column_title: "score on task (percent)".into(),
        rows: rows.into_iter().map(|(name, ..)| name).collect(),
        columns: numbers.chain(["mean".to_owned()]).collect(),
        cells,
        cell: match columns <= LEGIBLE {
            true => (46.0, 28.0),
            false => (6.0, 6.0),
        },
    };
    let range = match low <= high {
        true => format!(
            " Scores go from {} (pale) to {} (strong).",
            percent(low),
            percent(high)
        ),
        false => " No task was scored yet.".to_owned(),
    };
    let (width, height) = grid.size();
    Figure {
        name: name.to_owned(),
        title: "Accuracy matrix".into(),
        description: format!(
            "R[i][j], the score on task j after training on task i, in percent. The mean of a row \
             is (1/i) sum_{{j<=i}} R[i][j].{range}"
        ),
        width,
        height,
        drawing: grid.draw(),
        data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_appears_and_missing_ones_stay_empty() {
        let scores = vec![vec![Some(0.9312)], vec![None, Some(0.5)], vec![Some(0.25)]];
        let mut matrix = AccuracyMatrix::from_scores(scores);
        matrix.record_baseline(1, 0.125);
        let tasks = TaskNames::new(["<cats>", "dogs", "apes"]);
        let figure = accuracy_matrix("m", &matrix, &tasks);
        let svg = figure.to_svg();
        for number in ["93.1", "50.0", "25.0", "12.5"] {
            assert!(
                svg.contains(&format!(">{number}</text>")),
                "{number}: {svg}"
            );
        }
        assert!(
            svg.contains("1 &lt;cats&gt;") && !svg.contains("NaN"),
            "{svg}"
        );
        // Three columns and the mean, four rows, and what is there of them.
        assert_eq!(svg.matches("class=\"empty\"").count(), 4 * 4 - 5);
        assert_eq!(
            figure.data.to_csv(),
            "after_task,task_1,task_2,task_3,mean\n1,0.9312,,,0.9312\n2,,0.5,,\n3,0.25,,,\n\
             0,,0.125,,\n"
        );
    }

    #[test]
    fn a_large_matrix_is_shades_and_its_numbers_are_in_the_table() {
        let scores = (0..60).map(|after| vec![Some(0.5); after + 1]).collect();
        let matrix = AccuracyMatrix::from_scores(scores);
        let tasks = TaskNames::new((0..60).map(|task| format!("t{task}")));
        let figure = accuracy_matrix("m", &matrix, &tasks);
        let svg = figure.to_svg();
        assert_eq!(svg.matches("class=\"heat\"").count(), 60 * 61 / 2 + 60);
        assert!(!svg.contains(">50.0</text>") && svg.contains(">60 t59</text>"));
        assert!(svg.len() < 250_000, "{}", svg.len());
        assert_eq!(figure.data.to_csv().lines().count(), 61);
    }

    #[test]
    fn a_matrix_without_scores_has_a_figure_that_says_so() {
        let figure = accuracy_matrix("m", &AccuracyMatrix::new(), &TaskNames::new(["a"]));
        assert!(figure.description.contains("No task was scored"));
        assert!(!figure.to_svg().contains("NaN"));
    }
}
