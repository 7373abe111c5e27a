//! The generations that are compared.

use std::{fmt, path::Path};

use serde_json::{Value, json};

use super::super::precision::{PRECISIONS, Precision};

/// Prompts and what is done with them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Case {
    /// Name of the model.
    model: String,
    precision: Precision,
    rows: usize,
    /// Tokens of each prompt.
    prompt: usize,
    /// Tokens that follow each.
    pub(crate) new_tokens: usize,
}

/// Rows, tokens of a prompt, new tokens.
type Work = [usize; 3];

/// Prompts are short where decoding is measured, so that it is nearly all of the time.
const WORKS: [Work; 3] = [[1, 8, 64], [16, 8, 64], [1, 600, 1]];

const TINY_WORKS: [Work; 3] = [[1, 3, 4], [3, 3, 4], [1, 20, 1]];

/// Ids below are often those of control tokens.
const FIRST_ID: usize = 3;

/// The cases of the model `name` whose names contain one of `parts`, in their order; all without any.
pub(crate) fn chosen(name: &str, parts: &[String]) -> Vec<Case> {
    of(name, &WORKS, |case| {
        parts.is_empty() || parts.iter().any(|part| case.to_string().contains(part))
    })
}

/// Of a model that shows within seconds that all sides work; none unless asked for.
pub(crate) fn tiny(name: &str, parts: &[String]) -> Vec<Case> {
    of(name, &TINY_WORKS, |case| {
        parts.iter().any(|part| case.to_string().contains(part))
    })
}

fn of(name: &str, works: &[Work], is_chosen: impl Fn(&Case) -> bool) -> Vec<Case> {
    let with = |&[rows, prompt, new_tokens]: &Work| {
        PRECISIONS.map(|precision| Case {
            model: name.to_owned(),
            precision,
            rows,
            prompt,
            new_tokens,
        })
    };
    works.iter().flat_map(with).filter(is_chosen).collect()
}

impl Case {
    pub(crate) fn precision(&self) -> Precision {
        self.precision
    }

    /// The line that a side reads whose model is at `path` and computes in `precision`.
    pub(crate) fn line(&self, path: &Path, precision: Precision, vocabulary: usize) -> String {
        let case: Value = json!({
            "model": path,
            "precision": precision.name(),
            "prompts": self.prompts(vocabulary),
            "new_tokens": self.new_tokens,
        });
        case.to_string()
    }

    /// Scattered over the vocabulary, each prompt another.
    fn prompts(&self, vocabulary: usize) -> Vec<Vec<usize>> {
        let ids = vocabulary.saturating_sub(FIRST_ID).max(1);
        let id = |row: usize, position: usize| {
            FIRST_ID + (7919 * row + 104_729 * position + position * position) % ids
        };
        let prompt = |row| (0..self.prompt).map(|position| id(row, position)).collect();
        (0..self.rows).map(prompt).collect()
    }

    /// Tokens that a step is about: those read where one follows, else those written.
    pub(crate) fn amount(&self) -> usize {
        match self.new_tokens {
            1 => self.rows * self.prompt,
            new => self.rows * new,
        }
    }
}

/// `smollm2-135m 16 rows x 64 f32`, `smollm2-135m prefill 600 bf16`.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            model,
            precision,
            rows,
            prompt,
            new_tokens,
        } = self;
        write!(f, "{model} ")?;
        match (rows, new_tokens) {
            (_, 1) => write!(f, "prefill {prompt}")?,
            (1, new) => write!(f, "1 row x {new}")?,
            (rows, new) => write!(f, "{rows} rows x {new}")?,
        }
        write!(f, " {}", precision.name())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn names(cases: &[Case]) -> Vec<String> {
        cases.iter().map(Case::to_string).collect()
    }

    #[test]
    fn decoding_and_prefill_are_cases_and_tiny_ones_are_asked_for() {
        assert_eq!(
            names(&chosen("m", &[])),
            [
                "m 1 row x 64 f32",
                "m 1 row x 64 bf16",
                "m 16 rows x 64 f32",
                "m 16 rows x 64 bf16",
                "m prefill 600 f32",
                "m prefill 600 bf16",
            ]
        );
        let parts = ["prefill".to_owned(), "1 row".to_owned()];
        assert_eq!(chosen("m", &parts).len(), 4);
        assert!(tiny("tiny", &[]).is_empty());
        assert_eq!(
            names(&tiny("tiny", &["tiny 3 rows".to_owned()])),
            ["tiny 3 rows x 4 f32", "tiny 3 rows x 4 bf16"]
        );
    }

    #[test]
    fn a_line_has_prompts_of_ids_that_the_vocabulary_has() {
        let case = &chosen("m", &["16 rows x 64 f32".to_owned()])[0];
        let line = case.line(Path::new("/m"), Precision::Bf16, 50);
        assert!(!line.contains('\n'));
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&value["model"], &value["precision"]),
            (&json!("/m"), &json!("bf16"))
        );
        assert_eq!(value["new_tokens"], 64);
        let prompts = case.prompts(50);
        assert_eq!(value["prompts"], json!(prompts));
        assert_eq!((prompts.len(), prompts[0].len()), (16, 8));
        assert!(prompts.iter().flatten().all(|id| (3..50).contains(id)));
        let is_other = |pair: &[Vec<usize>]| pair[0] != pair[1];
        assert!(prompts.windows(2).all(is_other), "{prompts:?}");
        assert_eq!(case.amount(), 16 * 64);
        let prefill = &chosen("m", &["prefill".to_owned()])[0];
        assert_eq!(prefill.amount(), 600);
    }
}
