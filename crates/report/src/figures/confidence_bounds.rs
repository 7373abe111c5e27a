//! How sure each layer is of its relatives.

use treelora::{ArmRecord, TaskRelatives};

use crate::{
    DataTable, Figure, TaskNames,
    drawing::{Cell, Grid, LineChart, Point, Series, Spacing, compact, shortened},
    figures::chosen_relatives::short_layer,
};

const BOUND: &str = "LCB_k = mu_k - 2 sqrt(ln t / n_k) with mean cost mu_k and n_k pulls after t-1 \
                     choices (Eq. 2, leaf case)";

/// Layers by past tasks after the last step: pulls, mean cost and lower confidence bound, shaded by
/// the share of the pulls.
pub fn bounds_of_arms(name: &str, relatives: &TaskRelatives, tasks: &TaskNames) -> Figure {
    let columns = ["layer", "relative", "pulls", "mean_cost", "lower_bound"];
    let mut data = DataTable::new(columns);
    let mut cells = Vec::new();
    for (layer, arms) in relatives.layers.iter().zip(&relatives.statistics) {
        let total = arms.iter().map(|arm| arm.pulls).sum::<u64>().max(1);
        let mut row = Vec::new();
        for (record, arm) in arms.iter().zip(&relatives.arms) {
            data.push(vec![
                layer.clone(),
                TaskNames::numbers(arm),
                record.pulls.to_string(),
                DataTable::number(record.mean),
                DataTable::number(record.bound),
            ]);
            let share = record.pulls as f64 / total as f64;
            row.push(Some(cell(record, share, layer, &tasks.all_numbered(arm))));
        }
        cells.push(row);
    }
    let grid = Grid {
        row_title: "layer".into(),
        column_title: "past task: pulls, mean cost, lower bound".into(),
        rows: relatives
            .layers
            .iter()
            .map(|layer| short_layer(layer))
            .collect(),
        columns: relatives
            .arms
            .iter()
            .map(|arm| TaskNames::numbers(arm))
            .collect(),
        cells,
        cell: (66.0, 46.0),
    };
    let (width, height) = grid.size();
    Figure {
        name: name.to_owned(),
        title: format!(
            "Confidence after learning task {}",
            tasks.numbered(relatives.task.0)
        ),
        description: format!(
            "For each layer and past task: how often it was chosen, its mean cost (distance), and \
             {BOUND}. Shaded by the share of the choices."
        ),
        width,
        height,
        drawing: grid.draw(),
        data,
    }
}

fn cell(record: &ArmRecord, share: f64, layer: &str, relative: &str) -> Cell {
    let pulls = format!("{}×", record.pulls);
    let (lines, words) = match (record.mean, record.bound) {
        (Some(mean), Some(bound)) => {
            let (mean, bound) = (compact(mean), compact(bound));
            let words = format!("{pulls}, mean cost {mean}, lower bound {bound}");
            (vec![pulls, mean, format!("≥ {bound}")], words)
        }
        _ => (vec![pulls], "never chosen".to_owned()),
    };
    Cell {
        class: "heat".into(),
        strength: share,
        lines,
        words: format!("{layer}, {relative}: {words}"),
    }
}

/// Lower confidence bound of the relative that each layer chose, over the choices of the task.
pub fn bounds_over_time(name: &str, relatives: &TaskRelatives, tasks: &TaskNames) -> Figure {
    let mut data = DataTable::new(["layer", "until_choice", "mean_cost", "lower_bound"]);
    let mut series = Vec::new();
    for (layer, layer_name) in relatives.layers.iter().enumerate() {
        let mut points = Vec::new();
        for window in &relatives.windows {
            let choice = &window.layers[layer];
            data.push(vec![
                layer_name.clone(),
                window.rounds.to_string(),
                DataTable::number(choice.mean),
                DataTable::number(choice.bound),
            ]);
            points.extend(choice.bound.map(|y| Point {
                x: window.rounds as f64,
                y,
                spread: 0.0,
            }));
        }
        series.push(Series {
            name: shortened(&short_layer(layer_name), 22),
            points,
        });
    }
    let last = relatives.windows.last().map_or(0, |window| window.rounds);
    let chart = LineChart {
        x_label: "choices so far in this task".into(),
        y_label: "lower bound of the chosen relative's cost".into(),
        series,
        spacing: Spacing::Linear,
        x_ticks: (0..=4)
            .map(|quarter| (last * quarter / 4) as f64)
            .map(|rounds| (rounds, format!("{rounds}")))
            .collect(),
    };
    let (width, height) = chart.size();
    Figure {
        name: name.to_owned(),
        title: format!(
            "Confidence bounds while learning task {}",
            tasks.numbered(relatives.task.0)
        ),
        description: format!("One curve a layer, for the relative it chose most often: {BOUND}."),
        width,
        height,
        drawing: chart.draw(),
        data,
    }
}
