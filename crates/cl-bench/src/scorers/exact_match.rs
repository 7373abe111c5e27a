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
}
