//! Which of a method's adapters answers.

use serde::{Deserialize, Serialize};
use treelora_class_incremental::DiscriminantConfig;
use treelora_core::{Error, MethodRow};

/// Which adapter answers, where a method keeps one a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inference {
    /// As the method itself does: TreeLoRA (as in the paper) by the newest adapter.
    #[default]
    Latest,
    /// That of the task which a discriminant on the frozen base infers for each example: an image, or a prompt by the
    /// mean of its last hidden states.
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

    /// Check that the method of `row` can answer so, and that a router is set where there is something to route.
    ///
    /// # Errors
    /// [`Error::Setting`] naming `inference` or `routing`.
    pub(crate) fn validate(
        self,
        row: &MethodRow,
        routing: Option<&DiscriminantConfig>,
    ) -> Result<(), Error> {
        let refused = |key: &str, problem: String| Err(Error::setting(key, problem));
        if let Some(routing) = routing {
            routing.validate().map_err(|e| e.within("routing"))?;
            if self != Self::Routed {
                let problem = "only `inference = \"routed\"` routes examples";
                return refused("routing", problem.into());
            }
        }
        let method = row.name;
        match self {
            Self::Routed | Self::Oracle if !row.keeps_adapters => {
                let problem = format!("`{method}` keeps no adapter for each task");
                refused("inference", problem)
            }
            Self::Routed if row.infers_tasks => {
                let problem =
                    format!("`{method}` infers tasks itself: \"latest\" is its own inference");
                refused("inference", problem)
            }
            _ => Ok(()),
        }
    }

    /// What infers the task of an example, where examples are routed: `routing`, or linear discriminant analysis.
    pub(crate) fn router(self, routing: Option<&DiscriminantConfig>) -> Option<DiscriminantConfig> {
        let lda = || DiscriminantConfig::Lda(Default::default());
        (self == Self::Routed).then(|| routing.cloned().unwrap_or_else(lda))
    }
}
