//! Which of a method's adapters answers.

use serde::{Deserialize, Serialize};

/// Which adapter answers, where a method keeps one a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inference {
    /// As the method itself does: TreeLoRA (as in the paper) by the newest adapter.
    #[default]
    Latest,
    /// That of the task which a discriminant on the frozen backbone infers for each example.
    Routed,
    /// That of the task which is told: an upper bound, and named so in every result. The classes
    /// that compete are still those of the scenario.
    Oracle,
}

impl Inference {
    /// `name` of a run, with the kind of inference where it is not the usual one and the name does
    /// not say so already.
    pub(crate) fn labelled(self, name: &str) -> String {
        let kind = match self {
            Self::Latest => return name.to_owned(),
            Self::Routed => "routed",
            Self::Oracle => "oracle",
        };
        match name.ends_with(kind) {
            true => name.to_owned(),
            false => format!("{name}-{kind}"),
        }
    }
}
