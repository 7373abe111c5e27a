//! How good a generated text is, as the field scores each task.
//!
//! | task | metric | what is compared |
//! |---|---|---|
//! | C-STANCE, FOMC, NumGLUE-cm, NumGLUE-ds | [`ExactMatch`](TaskMetric::ExactMatch) | the whole generation |
//! | ScienceQA | [`FirstCharacter`](TaskMetric::FirstCharacter) | the letter of the choice |
//! | MeetingBank | [`RougeL`](TaskMetric::RougeL) | [`rouge_l`], the pltrdy package's |
//! | Py150 | [`EditSimilarity`](TaskMetric::EditSimilarity) | [`edit_similarity`] of code with [`resolved_literals`] |
//! | 20Minuten | [`Sari`](TaskMetric::Sari) | [`sari`] against the prompt and the answer |
//! | the tasks of O-LoRA | [`FirstWord`](TaskMetric::FirstWord) | the first word of the label |
//!
//! Two code bases score the same tasks differently: TRACE, which defined them, and its fork in the
//! TreeLoRA release. [`Flavour`] chooses; report both. Every score is in `[0, 1]`, also where the
//! tools count to 100 (edit similarity and SARI), so that it fits into an
//! [`AccuracyMatrix`](crate::metrics::AccuracyMatrix).
//!
//! ```
//! use treelora_cl_bench::scorers::{Flavour, Sample, TaskMetric};
//!
//! let samples = [
//!     Sample { prompt: "1 + 1 =", prediction: "2", answer: "2" },
//!     Sample { prompt: "3 * 7 =", prediction: "21", answer: "2" },
//! ];
//! let metric = TaskMetric::for_task("NumGLUE-cm");
//! assert_eq!(metric.score(Flavour::Strict, &samples).mean, Some(0.5));
//! // The fork compares only as many characters as the answer has.
//! assert_eq!(metric.score(Flavour::Treelora, &samples).mean, Some(1.0));
//! ```

mod sample;

mod flavour;

mod task_metric;

mod score;

mod exact_match;

mod first_character;

mod first_word;

mod rouge_l;

mod common_subsequence;

mod edit_similarity;

mod code_literals;

mod sari;

mod tokenizer_13a;

mod python_text;

pub use code_literals::resolved_literals;
pub use edit_similarity::edit_similarity;
pub use flavour::Flavour;
pub use rouge_l::rouge_l;
pub use sample::Sample;
pub use sari::sari;
pub use score::Score;
pub use task_metric::TaskMetric;
pub use tokenizer_13a::tokenized_13a;
