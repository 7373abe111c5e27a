//! Everything about one run.

use maud::{Markup, html};

use super::{provenance::provenance, slider::slider};
use crate::{Figure, RunRecord, report::RunFigures};

/// Parts of a run's section: end of the id, and heading.
pub(super) const PARTS: [(&str, &str); 5] = [
    ("scores", "Scores"),
    ("relatives", "Trees and relatives"),
    ("training", "Training"),
    ("costs", "Time and memory"),
    ("provenance", "Configuration and provenance"),
];

/// Id of the section of the run at `index`.
pub(super) fn id(index: usize) -> String {
    format!("run-{}", index + 1)
}

/// Id of one of its [`PARTS`].
pub(super) fn part_id(index: usize, part: &str) -> String {
    format!("{}-{part}", id(index))
}

pub(super) fn section(
    index: usize,
    run: &RunRecord,
    figures: &RunFigures,
    runs: usize,
    files: &str,
) -> Markup {
    let content = |part: &str| match part {
        "scores" => grid(&figures.scores, files, "No task was scored yet."),
        "relatives" if figures.tasks.is_empty() => html! {
            p { "The method left no trees: it has none, or the run was made before they were kept." }
        },
        "relatives" => html! {
            @if figures.tasks.len() < run.relatives.len() {
                p { (figures.tasks.len()) " of " (run.relatives.len()) " tasks are drawn, spread evenly." }
            }
            (slider(&format!("{}-trees", id(index)), &figures.tasks, &run.tasks, files))
        },
        "training" => html! {
            @if run.log.damaged_lines > 0 {
                p.warning {
                    (run.log.damaged_lines) " lines of log.jsonl could not be read and were left \
                     out: a process that is killed leaves half a line behind."
                }
            }
            (grid(&figures.training, files, "The run has no log.jsonl with steps."))
        },
        "costs" => grid(
            &figures.costs,
            files,
            "The run has no checkpoint, which holds the costs.",
        ),
        _ => provenance(run),
    };
    let body = html! {
        @if !run.finished {
            p.warning {
                "This run is not finished: " (run.matrix.tasks()) " of " (run.tasks.len())
                " tasks. Metrics are those of the tasks so far; floors come at the end."
            }
        }
        @for (part, heading) in PARTS {
            section aria-labelledby=(part_id(index, part)) {
                h3 id=(part_id(index, part)) { (heading) }
                (content(part))
            }
        }
    };
    html! {
        section.run aria-labelledby=(id(index)) {
            h2 id=(id(index)) { (run.name) }
            p.note { (run.label) ", seed " (run.manifest.seed) }
            // One run is open; several are a list to choose from.
            @if runs == 1 { (body) } @else { details { summary { "Show this run" } (body) } }
        }
    }
}

fn grid(figures: &[Figure], files: &str, nothing: &str) -> Markup {
    html! {
        @if figures.is_empty() { p { (nothing) } }
        div.figures { @for figure in figures { (figure.to_html(files)) } }
    }
}
