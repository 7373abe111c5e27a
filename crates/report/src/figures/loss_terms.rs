//! The loss and the numbers of the method over training.

use crate::{
    DataTable, Figure, LoggedStep, StepLog, TaskNames,
    drawing::{LineChart, Point, Series, Spacing},
};

/// Points of a curve: more steps are averaged in groups.
const POINTS: usize = 300;

/// A figure for the loss, one for the learning rate, and one for each term of the method, over all
/// steps of the run. Names of the figures begin with `name`.
pub fn loss_terms(name: &str, log: &StepLog, tasks: &TaskNames) -> Vec<Figure> {
    if log.steps.is_empty() {
        return Vec::new();
    }
    let mut figures = vec![
        figure(name, "loss", "Loss", log, tasks, |step| step.loss),
        figure(name, "learning-rate", "Learning rate", log, tasks, |step| {
            step.learning_rate
        }),
    ];
    for term in log.terms() {
        let title = format!("Term of the method: {term}");
        let value = |step: &LoggedStep| step.term(&term);
        figures.push(figure(name, &file_name(&term), &title, log, tasks, value));
    }
    figures
}

fn figure(
    prefix: &str,
    quantity: &str,
    title: &str,
    log: &StepLog,
    tasks: &TaskNames,
    value: impl Fn(&LoggedStep) -> Option<f64>,
) -> Figure {
    let mut data = DataTable::new(["step", "task", "epoch", "step_in_epoch", quantity]);
    let mut starts: Vec<(f64, String)> = Vec::new();
    let mut task = None;
    for (index, step) in log.steps.iter().enumerate() {
        if task != Some(step.task) {
            task = Some(step.task);
            starts.push((index as f64 + 1.0, (step.task + 1).to_string()));
        }
        data.push(vec![
            (index + 1).to_string(),
            (step.task + 1).to_string(),
            (step.epoch + 1).to_string(),
            (step.step + 1).to_string(),
            DataTable::number(value(step)),
        ]);
    }
    thin_out(&mut starts);
    let group = log.steps.len().div_ceil(POINTS).max(1);
    let points: Vec<Point> = log
        .steps
        .chunks(group)
        .enumerate()
        .filter_map(|(index, steps)| {
            let values: Vec<f64> = steps.iter().filter_map(&value).collect();
            let y = values.iter().sum::<f64>() / values.len() as f64;
            y.is_finite().then(|| Point {
                x: (index * group) as f64 + 0.5 * (steps.len() + 1) as f64,
                y,
                spread: 0.0,
            })
        })
        .collect();
    let chart = LineChart {
        x_label: "task that was being learned".into(),
        y_label: quantity.to_owned(),
        spacing: spacing(&points),
        series: vec![Series {
            name: quantity.to_owned(),
            points,
        }],
        x_ticks: starts,
    };
    let groups = match group {
        1 => String::new(),
        _ => format!(" Means of {group} steps each; the file has every step."),
    };
    let scale = match chart.spacing {
        Spacing::Linear => "",
        Spacing::Logarithmic => " The scale is logarithmic.",
    };
    let (width, height) = chart.size();
    Figure {
        name: format!("{prefix}{quantity}"),
        title: title.to_owned(),
        description: format!(
            "{} steps over {} tasks; lines mark where a task begins.{scale}{groups}",
            log.steps.len(),
            tasks.len()
        ),
        width,
        height,
        drawing: chart.draw(),
        data,
    }
}

/// Names at so many starts as fit beside each other; the lines stay.
fn thin_out(starts: &mut [(f64, String)]) {
    let every = starts.len().div_ceil(20).max(1);
    for (index, (_, name)) in starts.iter_mut().enumerate() {
        if index % every != 0 {
            name.clear();
        }
    }
}

/// Logarithmic where positive values span more than a factor of 50.
fn spacing(points: &[Point]) -> Spacing {
    let low = points.iter().map(|p| p.y).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|p| p.y).fold(0.0, f64::max);
    match low > 0.0 && high > 50.0 * low {
        true => Spacing::Logarithmic,
        false => Spacing::Linear,
    }
}

/// A name of a term that is safe in a file name.
fn file_name(term: &str) -> String {
    let safe = |c: char| match c.is_ascii_alphanumeric() || matches!(c, '-' | '_') {
        true => c,
        false => '-',
    };
    format!("term-{}", term.chars().map(safe).collect::<String>())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn step(task: usize, step: usize, loss: Option<f64>, pull: Option<f64>) -> LoggedStep {
        LoggedStep {
            task,
            epoch: 0,
            step,
            loss,
            learning_rate: Some(0.1),
            terms: vec![("../pull".into(), pull)],
        }
    }

    #[test]
    fn every_step_is_in_the_file_and_every_term_has_a_figure() {
        let steps = (0..1000).map(|index| {
            let loss = (index != 7).then_some(1.0 / f64::from(index + 1));
            step(index as usize / 500, index as usize % 500, loss, None)
        });
        let log = StepLog {
            steps: steps.collect(),
            damaged_lines: 0,
        };
        let figures = loss_terms("run-", &log, &TaskNames::new(["a", "b"]));
        let names: Vec<&str> = figures.iter().map(|figure| figure.name.as_str()).collect();
        assert_eq!(names, ["run-loss", "run-learning-rate", "run-term----pull"]);
        let csv = figures[0].data.to_csv();
        assert_eq!(csv.lines().count(), 1001);
        assert_eq!(csv.lines().nth(8).unwrap(), "8,1,1,8,");
        assert!(figures[0].description.contains("logarithmic"));
        for figure in figures {
            assert!(!figure.to_svg().contains("NaN"), "{}", figure.name);
        }
    }

    #[test]
    fn a_log_without_steps_has_no_figures() {
        assert!(loss_terms("", &StepLog::default(), &TaskNames::default()).is_empty());
    }
}
