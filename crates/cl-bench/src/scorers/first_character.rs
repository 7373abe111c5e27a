//! Accuracy of the letter that an answer starts with.

use super::{Flavour, Sample, python_text};

/// The first characters (code points) are equal; ScienceQA's answers are a letter, a new line and
/// the reasons.
///
/// Strict: characters as they stand. TRACE breaks off at an empty generation; here it has no score.
///
/// Treelora: both sides are stripped first. The fork puts "N/A" where nothing is left, which can
/// match nothing but an answer that starts with "N" or is empty too; here it has no score.
pub(super) fn score(flavour: Flavour, sample: &Sample<'_>) -> Option<f64> {
    let first = |text: &str| match flavour {
        Flavour::Strict => text.chars().next(),
        Flavour::Treelora => python_text::stripped(text).chars().next(),
    };
    Some(f64::from(
        first(sample.prediction)? == first(sample.answer)?,
    ))
}

/// Whether the score of every generation with this beginning is the same.
pub(super) fn is_settled(flavour: Flavour, beginning: &str) -> bool {
    match flavour {
        Flavour::Strict => !beginning.is_empty(),
        Flavour::Treelora => !python_text::stripped(beginning).is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_letter_decides() {
        let scores = |prediction, answer| {
            Flavour::ALL.map(|flavour| {
                score(
                    flavour,
                    &Sample {
                        prompt: "",
                        prediction,
                        answer,
                    },
                )
            })
        };
        assert_eq!(scores("A\nBecause.", "A\nFor."), [Some(1.0), Some(1.0)]);
        assert_eq!(scores("  A", "A"), [Some(0.0), Some(1.0)]);
        assert_eq!(scores("a", "A"), [Some(0.0), Some(0.0)]);
        assert_eq!(scores("", "N"), [None, None]);
        assert_eq!(scores("\n", "A"), [Some(0.0), None]);
        assert_eq!(scores("", ""), [None, None]);
    }

    #[test]
    fn one_letter_settles_it() {
        let settled = |beginning| Flavour::ALL.map(|flavour| is_settled(flavour, beginning));
        assert_eq!(settled(""), [false, false]);
        assert_eq!(settled("\n"), [true, false]);
        assert_eq!(settled(" A"), [true, true]);
    }
}
