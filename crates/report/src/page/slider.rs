//! Figures of one task at a time.

use maud::{Markup, html};

use crate::{Figure, TaskNames};

/// A slider over tasks, and a panel of figures for each; without a script all panels show.
pub(super) fn slider(
    id: &str,
    panels: &[(usize, Vec<Figure>)],
    tasks: &TaskNames,
    files: &str,
) -> Markup {
    let last = panels.len().saturating_sub(1);
    let control = format!("{id}-slider");
    html! {
        div.by-task id=(id) {
            div.slider hidden {
                label for=(control) { "After task" }
                input type="range" id=(control) min="0" max=(last) step="1" value=(last);
                output for=(control) {}
            }
            @for (task, figures) in panels {
                section.panel data-name=(tasks.numbered(*task))
                    aria-label={ "After task " (tasks.numbered(*task)) }
                {
                    h4 { "After task " (tasks.numbered(*task)) }
                    div.figures { @for figure in figures { (figure.to_html(files)) } }
                }
            }
        }
    }
}
