//! Which metric a task is scored by.

use serde::{Deserialize, Serialize};

use super::{
    Flavour, Sample, Score, edit_similarity, exact_match, first_character, first_word,
    resolved_literals, rouge_l, sari,
};

/// The main metric of a task, in `[0, 1]`, larger is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskMetric {
    /// Accuracy: the generation is the answer.
    #[default]
    ExactMatch,
    /// Accuracy: the first character of the generation is that of the answer.
    FirstCharacter,
    /// Accuracy: the first word of the generation is that of the answer, in any case; exact match
    /// in the strict flavour.
    FirstWord,
    /// ROUGE-L f of summaries, [`rouge_l`].
    RougeL,
    /// [`edit_similarity`] of code with [`resolved_literals`], a hundredth of what the tools print.
    EditSimilarity,
    /// [`sari`] of a simplification, a hundredth of what the tools print.
    Sari,
}

impl TaskMetric {
    /// Every metric, in reading order.
    pub const ALL: [Self; 6] = [
        Self::ExactMatch,
        Self::FirstCharacter,
        Self::FirstWord,
        Self::RougeL,
        Self::EditSimilarity,
        Self::Sari,
    ];

    /// The metric of a task of TRACE or O-LoRA by the name of its folder; exact match for any
    /// other.
    pub fn for_task(name: &str) -> Self {
        match name {
            "ScienceQA" => Self::FirstCharacter,
            "MeetingBank" => Self::RougeL,
            "Py150" => Self::EditSimilarity,
            "20Minuten" => Self::Sari,
            "yelp" | "amazon" | "dbpedia" | "yahoo" | "agnews" | "MNLI" | "QQP" | "RTE"
            | "SST-2" | "WiC" | "CB" | "COPA" | "BoolQA" | "MultiRC" | "IMDB" => Self::FirstWord,
            // C-STANCE, FOMC, NumGLUE-cm, NumGLUE-ds, and whatever nobody has defined.
            _ => Self::ExactMatch,
        }
    }

    /// Name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::ExactMatch => "exact-match",
            Self::FirstCharacter => "first-character",
            Self::FirstWord => "first-word",
            Self::RougeL => "rouge-l",
            Self::EditSimilarity => "edit-similarity",
            Self::Sari => "sari",
        }
    }

    /// What is computed, in one line to print beside the number.
    pub fn formula(self, flavour: Flavour) -> &'static str {
        match (self, flavour) {
            (Self::ExactMatch | Self::FirstWord, Flavour::Strict) => "generation = answer",
            (Self::ExactMatch, Flavour::Treelora) => "stripped generation starts with the answer",
            (Self::FirstCharacter, Flavour::Strict) => "first characters equal",
            (Self::FirstCharacter, Flavour::Treelora) => "first characters equal after blanks",
            (Self::FirstWord, Flavour::Treelora) => "first words equal, lower-cased",
            (Self::RougeL, Flavour::Strict) => "summary-level ROUGE-L f (pltrdy rouge 1.0.1)",
            (Self::RougeL, Flavour::Treelora) => {
                "summary-level ROUGE-L f (pltrdy rouge 1.0.1), a line end added"
            }
            (Self::EditSimilarity, _) => {
                "1 - insertions and deletions / lengths, rounded to hundredths, literals resolved"
            }
            (Self::Sari, _) => "(F keep + P delete + F add) / 3 over 1- to 4-grams, 0/0 = 1",
        }
    }

    /// Whether a sample is either right or wrong, so that [`Score::cell`] says everything.
    pub fn counts_right_answers(self) -> bool {
        matches!(
            self,
            Self::ExactMatch | Self::FirstCharacter | Self::FirstWord
        )
    }

    /// Score the samples of a task.
    ///
    /// A sample whose prediction or answer is empty has no score and counts as 0 in the mean, as
    /// in TRACE and its fork; SARI alone scores it (an empty prediction keeps and adds nothing,
    /// but deletes well).
    pub fn score(self, flavour: Flavour, samples: &[Sample<'_>]) -> Score {
        Score::of(samples, |sample| self.sample_score(flavour, sample))
    }

    /// Whether every prediction that begins with `beginning` has the same score against `answer`, in either flavour: then
    /// nothing is gained by the rest. A metric that looks at all of a text is never settled.
    pub fn is_settled(self, beginning: &str, answer: &str) -> bool {
        Flavour::ALL.into_iter().all(|flavour| match self {
            Self::ExactMatch => exact_match::is_settled(flavour, beginning, answer),
            Self::FirstCharacter => first_character::is_settled(flavour, beginning),
            Self::FirstWord => first_word::is_settled(flavour, beginning, answer),
            Self::RougeL | Self::EditSimilarity | Self::Sari => false,
        })
    }

    fn sample_score(self, flavour: Flavour, sample: &Sample<'_>) -> Option<f64> {
        let Sample {
            prompt,
            prediction,
            answer,
        } = *sample;
        match self {
            Self::ExactMatch => exact_match::score(flavour, sample),
            Self::FirstCharacter => first_character::score(flavour, sample),
            Self::FirstWord => first_word::score(flavour, sample),
            Self::RougeL => rouge_l::score(flavour, sample),
            Self::EditSimilarity => {
                edit_similarity(&resolved_literals(prediction), &resolved_literals(answer))
            }
            Self::Sari => Some(sari(prompt, prediction, &[answer])),
        }
    }
}
