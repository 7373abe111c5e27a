//! Which past task each layer chose while a task was learned.

use treelora::TaskRelatives;

use crate::{
    DataTable, Figure, TaskNames,
    drawing::{Cell, Grid, Mark},
};

/// Layers by windows of steps; a cell holds the number of the task that the layer chose most
/// often, in that task's colour, the stronger the larger its share.
pub fn chosen_relatives(name: &str, relatives: &TaskRelatives, tasks: &TaskNames) -> Figure {
    let mut data = DataTable::new([
        "until_choice",
        "layer",
        "relative",
        "share",
        "mean_cost",
        "lower_bound",
    ]);
    let layers = &relatives.layers;
    let mut cells = vec![Vec::new(); layers.len()];
    for window in &relatives.windows {
        for (layer, choice) in window.layers.iter().enumerate() {
            let arm = &relatives.arms[choice.arm];
            data.push(vec![
                window.rounds.to_string(),
                layers[layer].clone(),
                TaskNames::numbers(arm),
                DataTable::number(choice.share),
                DataTable::number(choice.mean),
                DataTable::number(choice.bound),
            ]);
            cells[layer].push(Some(Cell {
                class: Mark(choice.arm).fill(),
                strength: choice.share,
                lines: vec![TaskNames::numbers(arm)],
                words: format!(
                    "{}, until choice {}: {} ({:.0}% of the choices)",
                    layers[layer],
                    window.rounds,
                    tasks.all_numbered(arm),
                    100.0 * choice.share
                ),
            }));
        }
    }
    let longest = relatives
        .arms
        .iter()
        .map(|arm| TaskNames::numbers(arm).len());
    let grid = Grid {
        row_title: "layer".into(),
        column_title: "choices so far in this task".into(),
        rows: layers.iter().map(|layer| short_layer(layer)).collect(),
        columns: column_names(relatives),
        cells,
        cell: (16.0 + 7.0 * longest.max().unwrap_or(1) as f64, 24.0),
    };
    let names: Vec<String> = relatives
        .arms
        .iter()
        .map(|arm| tasks.all_numbered(arm))
        .collect();
    let (width, height) = grid.size();
    Figure {
        name: name.to_owned(),
        title: format!(
            "Relatives chosen while learning task {}",
            tasks.numbered(relatives.task.0)
        ),
        description: format!(
            "The past task that each layer chose most often in each stretch of steps; the stronger \
             the colour, the larger its share. Past tasks: {}.",
            names.join("; ")
        ),
        width,
        height,
        drawing: grid.draw(),
        data,
    }
}

/// Rounds at so many windows as have room.
fn column_names(relatives: &TaskRelatives) -> Vec<String> {
    let named = |(index, rounds): (usize, u64)| match index % 3 {
        2 => rounds.to_string(),
        _ => String::new(),
    };
    let rounds = relatives.windows.iter().map(|window| window.rounds);
    rounds.enumerate().map(named).collect()
}

/// A layer's name without the ending that all parameters have.
pub(crate) fn short_layer(name: &str) -> String {
    name.strip_suffix(".weight").unwrap_or(name).to_owned()
}
