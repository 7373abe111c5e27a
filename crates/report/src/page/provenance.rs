//! Where a run comes from.

use maud::{Markup, html};

use crate::RunRecord;

pub(super) fn provenance(run: &RunRecord) -> Markup {
    let manifest = &run.manifest;
    let known = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    let facts = [
        ("method", run.method.clone()),
        ("experiment", run.experiment().to_owned()),
        ("seed", manifest.seed.to_string()),
        ("version", manifest.version.clone()),
        ("commit", known(&manifest.commit)),
        ("machine", manifest.machine.clone()),
        ("device", manifest.device.clone()),
        ("SHA-256 of the weights", known(&manifest.weights_sha256)),
        ("SHA-256 of the data", known(&manifest.data_sha256)),
        ("format of the folder", manifest.format.to_string()),
    ];
    html! {
        dl { @for (name, value) in facts { div { dt { (name) } dd { (value) } } } }
        h4 { "Tasks" }
        ol.tasks { @for task in &manifest.tasks { li { (task) } } }
        details {
            summary { "config.toml: every setting of the run" }
            pre tabindex="0" { code { (run.config) } }
        }
    }
}
