//! Accuracy of whole answers.

use super::{Flavour, Sample, python_text};

/// Strict: the generation is the answer, character by character.
///
/// Treelora: the generation is stripped, cut to the length of the answer in characters (code
/// points, not bytes) and then compared; the answer is not stripped. A generation shorter than the
/// answer never matches, so that all this says: the stripped generation starts with the answer.
pub(super) fn score(flavour: Flavour, sample: &Sample<'_>) -> Option<f64> {
    let Sample {
        prediction, answer, ..
    } = *sample;
    match flavour {
        Flavour::Strict => (!sample.is_empty()).then(|| f64::from(prediction == answer)),
        Flavour::Treelora => {
            let prediction = python_text::stripped(prediction);
            let nothing = prediction.is_empty() || answer.is_empty();
            (!nothing).then(|| f64::from(prediction.starts_with(answer)))
        }
    }
}

/// Whether the score of every generation with this beginning is the same.
pub(super) fn is_settled(flavour: Flavour, beginning: &str, answer: &str) -> bool {
    match flavour {
        // As long as it may become the answer, or go on behind it, nothing is said.
        Flavour::Strict => !beginning.is_empty() && !answer.starts_with(beginning),
        Flavour::Treelora => {
            let unended = python_text::stripped_before(beginning);
            let said = python_text::stripped(beginning);
            !said.is_empty() && (said.starts_with(answer) || !may_begin(unended, answer))
        }
    }
}

/// Whether a text with this beginning may begin with the answer.
fn may_begin(beginning: &str, answer: &str) -> bool {
    answer.starts_with(beginning) || beginning.starts_with(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(prediction: &str, answer: &str) -> [Option<f64>; 2] {
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
    }

    #[test]
    fn the_fork_forgives_blanks_and_what_follows() {
        assert_eq!(scores("2", "2"), [Some(1.0), Some(1.0)]);
        assert_eq!(scores("21", "2"), [Some(0.0), Some(1.0)]);
        assert_eq!(scores("6.5", "6"), [Some(0.0), Some(1.0)]);
        assert_eq!(scores("\n 2 \u{1f}", "2"), [Some(0.0), Some(1.0)]);
        assert_eq!(scores("2", "21"), [Some(0.0), Some(0.0)]);
        // The answer is not stripped.
        assert_eq!(scores("B ", "B "), [Some(1.0), Some(0.0)]);
    }

    #[test]
    fn lengths_are_counted_in_code_points() {
        assert_eq!(scores("支持，因为", "支持"), [Some(0.0), Some(1.0)]);
        // "e" and a combining accent are two code points: the cut goes between them.
        assert_eq!(scores("e\u{301}", "e"), [Some(0.0), Some(1.0)]);
        assert_eq!(scores("é", "e"), [Some(0.0), Some(0.0)]);
    }

    #[test]
    fn nothing_to_compare_has_no_score() {
        assert_eq!(scores("", "2"), [None, None]);
        assert_eq!(scores("2", ""), [None, None]);
        assert_eq!(scores(" \t", "2"), [Some(0.0), None]);
    }

    #[test]
    fn a_generation_is_settled_where_nothing_changes_its_score() {
        let settled =
            |beginning, answer| Flavour::ALL.map(|flavour| is_settled(flavour, beginning, answer));
        assert_eq!(settled("", "Good"), [false, false]);
        assert_eq!(settled("Go", "Good"), [false, false]);
        // It may end here, or go on.
        assert_eq!(settled("Good", "Good"), [false, true]);
        assert_eq!(settled("Good.", "Good"), [true, true]);
        assert_eq!(settled("Gold", "Good"), [true, true]);
        assert_eq!(settled("good", "Good"), [true, true]);
        // A blank in front is forgiven by one alone.
        assert_eq!(settled(" ", "Good"), [true, false]);
        assert_eq!(settled(" Go", "Good"), [true, false]);
        // The blank is stripped unless something follows it.
        assert_eq!(settled("B ", "B "), [false, false]);
        assert_eq!(settled("B x", "B "), [true, true]);
        // Nothing to compare.
        assert_eq!(settled("x", ""), [true, true]);
    }
}
