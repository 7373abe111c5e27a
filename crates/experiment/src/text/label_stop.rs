//! The end of a written answer whose score nothing changes any more.

use std::collections::BTreeSet;

use treelora_cl_bench::{
    scorers::TaskMetric,
    text::{TextTask, TextTestExample, Tokenizer},
};

use crate::{
    config::{answering::AnswerStop, text_experiment_config::GenerationSettings},
    text::label_choices::labels_of,
};

/// Tells where the rest of an answer is of no use.
///
/// That is decided by all that may be right in the task, labels and answers, not by what is right for the prompt: an
/// answer ends alike whether it is right or wrong.
pub(crate) struct LabelStop<'a> {
    metric: TaskMetric,
    answers: BTreeSet<String>,
    tokenizer: &'a Tokenizer,
}

impl<'a> LabelStop<'a> {
    /// Of a task that is evaluated on `examples`; `None` where its answers are written to the end.
    pub(crate) fn of(
        task: &TextTask,
        examples: &[TextTestExample],
        settings: &GenerationSettings,
        tokenizer: &'a Tokenizer,
    ) -> Option<Self> {
        let labels = match settings.stop {
            AnswerStop::End => return None,
            AnswerStop::NoLabel => labels_of(task, settings),
        };
        if labels.is_empty() {
            return None;
        }
        let mut answers = BTreeSet::from_iter(labels);
        answers.extend(examples.iter().map(|example| example.answer_text.clone()));
        Some(Self {
            metric: TaskMetric::for_task(&task.name),
            answers,
            tokenizer,
        })
    }

    /// Whether the answers that begin with these tokens have one score, whatever it is. Tokens that make no text settle
    /// nothing; who reads the whole answer hears why.
    pub(crate) fn is_settled(&self, ids: &[u32]) -> bool {
        let Ok(beginning) = self.tokenizer.decode_beginning(ids) else {
            return false;
        };
        let mut answers = self.answers.iter();
        answers.all(|answer| self.metric.is_settled(&beginning, answer))
    }
}
