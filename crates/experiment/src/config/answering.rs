//! How a decoder answers, as settings.

use serde::{Deserialize, Serialize};
use treelora_core::Error;

/// Whether an answer is written or chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answering {
    /// The decoder continues the prompt, as in the papers.
    #[default]
    Generate,
    /// The likeliest of the task's labels is the answer; a task whose labels are not known is answered by generation.
    Choose,
}

impl Answering {
    /// Name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Choose => "choose",
        }
    }

    /// The one that this is not.
    pub fn other(self) -> Self {
        match self {
            Self::Generate => Self::Choose,
            Self::Choose => Self::Generate,
        }
    }
}

/// When a written answer ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerStop {
    /// Where the decoder ends it, or at its longest.
    #[default]
    End,
    /// As soon as no score can change any more, whatever follows: no label of the task can come about, or what is said
    /// is enough. The answers that are kept are cut there. Tasks without labels, and those whose metric looks at the whole
    /// text, are answered to the end.
    NoLabel,
}

/// How likelihoods of labels of different lengths and frequencies are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelNormalization {
    /// The log-likelihood of the whole label.
    #[default]
    Sum,
    /// That a token: long labels are not punished.
    Mean,
    /// The whole label's, less that after a blank prompt (pointwise mutual information): labels that are frequent
    /// anyway are not preferred. The blank prompt of a task of O-LoRA is its prompt without a text, of any other
    /// `Answer:`.
    ///
    /// Source: Holtzman et al., <https://arxiv.org/abs/2104.08315>.
    Pmi,
}

/// Check the labels that a file gives a task.
///
/// # Errors
/// When there are fewer than two, or one is empty or there twice; naming `labels.TASK`.
pub(crate) fn check_labels(task: &str, labels: &[String]) -> Result<(), Error> {
    let problem = match labels {
        [] | [_] => format!("{} label: there is nothing to choose among", labels.len()),
        labels if labels.iter().any(|label| label.trim().is_empty()) => "a label is empty".into(),
        labels => {
            let mut positions = labels.iter().enumerate();
            match positions.find(|(position, label)| labels[..*position].contains(label)) {
                Some((_, label)) => format!("`{label}` occurs twice"),
                None => return Ok(()),
            }
        }
    };
    Err(Error::setting(format!("labels.{task}"), problem))
}
