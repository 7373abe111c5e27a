//! The page.

mod comparison;

mod provenance;

mod run;

mod slider;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{Report, figure::FIGURE_STYLE};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Nothing is loaded from anywhere: not even a mistake could.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// The whole page; `files` is the link to the folder of the figures' files.
pub(crate) fn page(report: &Report, files: &str) -> Markup {
    let title = match report.runs.as_slice() {
        [run] => run.name.clone(),
        runs => format!("{} runs", runs.len()),
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · TreeLoRA report" }
                style { (PreEscaped(FIGURE_STYLE)) (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    p.kicker { "TreeLoRA report" }
                    h1 { (title) }
                    p {
                        "Scores in percent. Tasks count from 1 here; the files of a run and "
                        code { "--task" } " count from 0. Every figure is also an SVG file, its \
                        numbers a CSV file, in " a href={ (files) "/" } { (files) } "."
                    }
                    (contents(report))
                }
                main id="main" {
                    (comparison::section(report, files))
                    @for (index, run) in report.runs.iter().enumerate() {
                        (run::section(index, run, &report.of_runs[index], report.runs.len(), files))
                    }
                }
                footer { p { "Written by treelora " (env!("CARGO_PKG_VERSION")) "." } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

fn contents(report: &Report) -> Markup {
    html! {
        nav aria-label="Contents" {
            ul {
                li { a href="#comparison" { "Metrics side by side" } }
                @for (index, run) in report.runs.iter().enumerate() {
                    @if let [_] = report.runs.as_slice() {
                        @for (part, name) in run::PARTS {
                            li { a href={ "#" (run::part_id(index, part)) } { (name) } }
                        }
                    } @else {
                        li { a href={ "#" (run::id(index)) } { (run.name) } }
                    }
                }
            }
        }
    }
}
