//! Every metric of every group of runs, floors beside.

use maud::{Markup, html};
use treelora_cl_bench::metrics::{Convention, Direction};

use treelora_experiment::BaseLossChange;

use crate::{
    Report, floor_groups,
    run_group::{mean_with_spread, scaled_mean_with_spread},
    run_groups,
};

pub(super) fn section(report: &Report, files: &str) -> Markup {
    let (groups, floors) = (run_groups(&report.runs), floor_groups(&report.runs));
    html! {
        section aria-labelledby="comparison" {
            h2 id="comparison" { "Metrics side by side" }
            p.note {
                "Percent; mean ± sample standard deviation over seeds. In the formulas T is the \
                 number of tasks, R[i][j] the score on task j after task i, b[j] the score before \
                 the stream, and both count from 1."
            }
            div.scroll tabindex="0" role="region" aria-label="Metrics side by side" {
                table.metrics {
                    caption { "Every metric of the field by its own name" }
                    thead {
                        tr {
                            th scope="col" { "metric" }
                            @for group in &groups {
                                th scope="col" {
                                    (group.short) br; span.soft { (seeds(group.runs.len())) }
                                }
                            }
                            @for floor in &floors {
                                th scope="col" {
                                    (floor.short) br; span.soft { (seeds(floor.seeds.len())) }
                                }
                            }
                        }
                    }
                    tbody {
                        @for metric in Convention::ALL {
                            @let name = metric.name();
                            tr {
                                th scope="row" {
                                    (name)
                                    span.note { (better(metric)) br; code { (metric.formula()) } }
                                }
                                @for group in &groups { td { (mean_with_spread(&group.values(name))) } }
                                @for floor in &floors { td { (mean_with_spread(&floor.values(name))) } }
                            }
                        }
                        @if groups.iter().any(|group| !group.base_loss_changes().is_empty()) {
                            tr {
                                th scope="row" {
                                    "base_loss_change, not in percent"
                                    span.note { "lower is better" br; code { (BaseLossChange::FORMULA) } }
                                }
                                @for group in &groups {
                                    td { (scaled_mean_with_spread(&group.base_loss_changes(), 1.0, 4)) }
                                }
                                @for _ in &floors { td { "–" } }
                            }
                        }
                    }
                }
            }
            div.figures { @for figure in &report.comparison { (figure.to_html(files)) } }
        }
    }
}

fn seeds(count: usize) -> String {
    match count {
        1 => "1 seed".to_owned(),
        count => format!("{count} seeds"),
    }
}

fn better(metric: Convention) -> &'static str {
    match metric.direction() {
        Direction::HigherIsBetter => "higher is better",
        Direction::LowerIsBetter => "lower is better",
    }
}
